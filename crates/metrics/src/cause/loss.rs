//! The parts of a loss, in whole nanoseconds so that they sum to it exactly.

use std::iter::Sum;

use serde::Serialize;

/// Declares [`Loss`], with a field for each part.
macro_rules! loss {
    ($($(#[$doc:meta])? $part:ident,)*) => {
        /// A loss split into its causes. The parts always sum to the loss, because `unexplained` closes it;
        /// it may be negative, when the known causes explain more than was lost.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Loss<T> {
            $($(#[$doc])? pub $part: T,)*
        }

        impl<T: Copy> Loss<T> {
            /// Names as in `report.json`, with the values, in the order of the fields.
            pub const fn named(&self) -> [(&'static str, T); PARTS] {
                [$((stringify!($part), self.$part)),*]
            }

            /// In the order of the fields.
            fn of([$($part),*]: [T; PARTS]) -> Self {
                Self { $($part),* }
            }
        }
    };
}

loss! {
    /// Waiting for requests of agents with other runner options.
    wait_other_config,
    /// Loading the model above what a ready model costs, beyond `cold_load`.
    model_reload,
    /// Loading the model that the same agents pay in turn as well: running them together did not cause it.
    cold_load,
    slot_queue,
    /// Prefill slowed while others were being served, or waiting in a slot for their batch to be processed.
    shared_prefill,
    /// Decoding slowed while others were being served.
    shared_decode,
    /// Prefill and decoding slowed because more of the model was on the CPU than in turn.
    offload,
    /// Waiting for a permit under the client's own limit of requests in flight, which the user chose.
    admission,
    /// Our own overhead: other queueing before the send, gaps between requests, late stamps up to the calibrated bias.
    client,
    /// Slowed while the device held its clocks down and no other agent was being served.
    thermal_or_power,
    unexplained,
}

/// Parts of a loss, `unexplained` included.
const PARTS: usize = 11;

/// One loss, signed nanoseconds.
pub type LossNs = Loss<i64>;

/// A mean loss, seconds.
pub type LostSeconds = Loss<f64>;

impl<T: Copy> Loss<T> {
    pub fn total(&self) -> T
    where
        T: Sum,
    {
        self.parts().into_iter().sum()
    }

    fn parts(&self) -> [T; PARTS] {
        self.named().map(|(_, part)| part)
    }
}

impl LossNs {
    /// The parts with a known cause, in the order of the fields.
    pub fn explained(&self) -> [i64; PARTS - 1] {
        let [known @ .., _] = self.parts();
        known
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let (own, more) = (self.parts(), other.parts());
        *self = Self::of(std::array::from_fn(|i| own[i] + more[i]));
    }

    /// Lets `unexplained` close the parts to `total`.
    pub(crate) fn closed_to(mut self, total: i64) -> Self {
        self.unexplained = total - self.explained().iter().sum::<i64>();
        self
    }

    /// Takes `slack` from the known causes in proportion, and from `unexplained` when they are used up.
    pub(crate) fn less_slack(self, slack: i64) -> Self {
        let total = self.total() - slack;
        let known: i64 = self.explained().iter().sum();
        let kept = (known - slack).clamp(0, known.max(0));
        let mut parts = self.parts();
        let [explained @ .., _] = &mut parts;
        *explained = share_out(kept, self.explained());
        Self::of(parts).closed_to(total)
    }
}

impl LostSeconds {
    /// The costliest part that running together causes; none where none costs anything. Cold loads are left out:
    /// running in turn pays them as well.
    pub fn costliest(&self) -> Option<(&'static str, f64)> {
        let parts = self.named().into_iter();
        parts
            .filter(|(name, seconds)| *name != "cold_load" && *seconds > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// None without a loss.
    pub fn mean_of(losses: &[Self]) -> Option<Self> {
        let mean = |i| losses.iter().map(|l| l.parts()[i]).sum::<f64>() / losses.len() as f64;
        (!losses.is_empty()).then(|| Self::of(std::array::from_fn(mean)))
    }
}

impl From<LossNs> for LostSeconds {
    fn from(loss: LossNs) -> Self {
        Self::of(loss.parts().map(|ns| ns as f64 / 1e9))
    }
}

/// Splits `whole` in proportion to weights that are not negative. The shares are whole and sum to
/// it exactly: what rounding leaves goes to the largest. All zero when the weights are.
pub(crate) fn share_out<const N: usize>(whole: i64, weights: [i64; N]) -> [i64; N] {
    let sum: i128 = weights.iter().map(|w| i128::from(*w)).sum();
    if sum <= 0 {
        return [0; N];
    }
    let mut shares = weights.map(|w| {
        let share = i128::from(whole) * i128::from(w) / sum;
        i64::try_from(share).unwrap_or(whole)
    });
    let left = whole - shares.iter().sum::<i64>();
    if let Some(largest) = (0..N).max_by_key(|i| weights[*i]) {
        shares[largest] += left;
    }
    shares
}
