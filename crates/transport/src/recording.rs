//! A sink that fills in what its caller keeps.

use std::ops::{Deref, DerefMut};

use domain::backend::Exchange;

use crate::reading::Sink;

/// A sink that records what a request shows.
pub trait Recorder: Sink {
    /// What it has recorded.
    fn exchange(&mut self) -> &mut Exchange;
}

/// A recorder that has its caller's exchange for as long as this lives. Whatever ends it, what was seen is
/// back with the caller then.
#[derive(Debug)]
pub struct Recording<'e, R: Recorder> {
    home: &'e mut Exchange,
    recorder: R,
}

impl<'e, R: Recorder> Recording<'e, R> {
    /// Takes the exchange to the recorder.
    pub fn new(home: &'e mut Exchange, mut recorder: R) -> Self {
        *recorder.exchange() = std::mem::take(home);
        Self { home, recorder }
    }
}

impl<R: Recorder> Deref for Recording<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.recorder
    }
}

impl<R: Recorder> DerefMut for Recording<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.recorder
    }
}

impl<R: Recorder> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        *self.home = std::mem::take(self.recorder.exchange());
    }
}
