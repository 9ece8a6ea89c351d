//! Faults played on a body, in the middle of a stream, on its last object or on a document.

use domain::Nanos;

use super::{End, RUNNER_ERROR, Reply};
use crate::core::RUNNER_STOPPED;
use crate::faults::{FaultKind, FaultRule};
use crate::http::encode::Encoder;
use crate::profile::with_tag;

impl Reply {
    /// Plays a fault on the object that begins at `from`, in the middle of a stream.
    pub(super) fn play(&mut self, encoder: &mut Encoder, from: usize) {
        let Some(fault) = &self.fault else { return };
        match fault.kind {
            FaultKind::ResetMidToken => {
                let half = usize::midpoint(from, self.out.len());
                self.out.truncate(half);
                self.end = Some(End::Reset);
            }
            FaultKind::Stall => self.stall_from(from, fault.pause),
            FaultKind::MalformedJson | FaultKind::InvalidUtf8 | FaultKind::HugeLine => {
                let good = self.out.split_off(from);
                let bad = bad_object(fault);
                encoder.raw(&bad, &mut self.out);
                self.out.extend_from_slice(&good);
            }
            FaultKind::ErrorLine => {
                self.out.truncate(from);
                encoder.error(RUNNER_ERROR, &mut self.out);
                self.end = Some(End::Clean);
            }
            FaultKind::EofWithoutDone => {
                self.out.truncate(from);
                self.end = Some(End::Clean);
            }
            FaultKind::RunnerCrash => self.crash(),
            _ => {}
        }
    }

    /// Holds back the bytes from `from` on.
    fn stall_from(&mut self, from: usize, pause: Option<Nanos>) {
        self.stall = Some((self.out.split_off(from), pause));
    }

    pub(super) fn crash(&self) {
        if self.plays(FaultKind::RunnerCrash) {
            let line = &self.exchange.line;
            let model = line.model.as_deref().map(with_tag).unwrap_or_default();
            let server = line.server;
            let world = &self.exchange.world;
            world.with_core(|core, now| core.crash_runner(now, server, Some(&model)));
        }
    }

    /// Plays a fault on the final object, which begins at `from`. `unplayed` is true when the
    /// stream was too short for a fault in its middle.
    pub(super) fn spoil_last(&mut self, encoder: &mut Encoder, from: usize, unplayed: bool) {
        let Some(fault) = &self.fault else { return };
        match fault.kind {
            FaultKind::TruncatedFinal => {
                let mut half = usize::midpoint(from, self.out.len());
                if encoder.dialect().is_v1() {
                    // Half of the object with the finish reason, not of all the final events.
                    let object = self.out[from..].windows(2).position(|w| w == b"\n\n");
                    half = from + object.unwrap_or(self.out.len() - from) / 2;
                }
                self.out.truncate(half);
            }
            FaultKind::DuplicateFinal => self.out.extend_from_within(from..),
            FaultKind::RunnerCrash if unplayed => {
                self.crash();
                self.out.truncate(from);
                encoder.error(RUNNER_STOPPED, &mut self.out);
            }
            _ if unplayed => self.play(encoder, from),
            _ => {}
        }
    }

    pub(super) fn spoil_document(&mut self) {
        let Some(fault) = &self.fault else { return };
        match fault.kind {
            FaultKind::ResetMidToken => {
                self.out.truncate(self.out.len() / 2);
                self.end = Some(End::Reset);
            }
            FaultKind::TruncatedFinal => self.out.truncate(self.out.len() / 2),
            FaultKind::DuplicateFinal => {
                self.out.push(b'\n');
                self.out.extend_from_within(..self.out.len() - 1);
            }
            FaultKind::Stall => self.stall_from(0, fault.pause),
            FaultKind::MalformedJson | FaultKind::InvalidUtf8 | FaultKind::HugeLine => {
                self.out = bad_object(fault);
            }
            _ => {}
        }
    }
}

fn bad_object(fault: &FaultRule) -> Vec<u8> {
    match fault.kind {
        FaultKind::InvalidUtf8 => {
            b"{\"model\":\"m\",\"response\":\"\xff\xfe\xc3\x28\",\"message\":{\"content\":\"\xff\"},\"done\":false}"
                .to_vec()
        }
        FaultKind::HugeLine => {
            let mut line = b"{\"model\":\"m\",\"done\":false,\"response\":\"".to_vec();
            line.resize(fault.bytes.max(line.len() + 2) - 2, b'x');
            line.extend_from_slice(b"\"}");
            line
        }
        _ => b"{\"model\":\"m\",\"response\":half an object,\"done\":false}".to_vec(),
    }
}
