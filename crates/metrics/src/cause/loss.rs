//! The parts of a loss, in whole nanoseconds so that they sum to it exactly.

use serde::Serialize;

/// A loss split into its causes, signed nanoseconds. The parts always sum to the loss, because
/// `unexplained` closes it; it may be negative, when the known causes explain more than was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LossNs {
    /// Waiting for requests of agents with other runner options.
    pub wait_other_config: i64,
    /// Loading the model above what a ready model costs.
    pub model_reload: i64,
    /// Waiting for a slot.
    pub slot_queue: i64,
    /// Prefill slowed while others were being served.
    pub shared_prefill: i64,
    /// Decoding slowed while others were being served.
    pub shared_decode: i64,
    /// Waiting for a permit under the client's own limit of requests in flight, which the user chose.
    pub admission: i64,
    /// Our own overhead: queueing before the send otherwise, gaps between requests, and stamps taken late, as
    /// calibrated; without a calibration, transport in their place.
    pub client: i64,
    /// Slowed while the device held its clocks down and nobody else was being served.
    pub thermal_or_power: i64,
    /// The rest.
    pub unexplained: i64,
}

impl LossNs {
    /// The parts with a known cause, in the order of the fields.
    pub const fn explained(&self) -> [i64; 8] {
        [
            self.wait_other_config,
            self.model_reload,
            self.slot_queue,
            self.shared_prefill,
            self.shared_decode,
            self.admission,
            self.client,
            self.thermal_or_power,
        ]
    }

    fn explained_mut(&mut self) -> [&mut i64; 8] {
        [
            &mut self.wait_other_config,
            &mut self.model_reload,
            &mut self.slot_queue,
            &mut self.shared_prefill,
            &mut self.shared_decode,
            &mut self.admission,
            &mut self.client,
            &mut self.thermal_or_power,
        ]
    }

    /// Adds another loss, part by part.
    pub(crate) fn add(&mut self, other: &Self) {
        for (part, more) in self.explained_mut().into_iter().zip(other.explained()) {
            *part += more;
        }
        self.unexplained += other.unexplained;
    }

    /// Lets `unexplained` close the parts to `total`.
    pub(crate) fn closed_to(mut self, total: i64) -> Self {
        self.unexplained = total - self.explained().iter().sum::<i64>();
        self
    }

    /// The loss without `slack`, which is taken from the known causes in proportion, and from
    /// `unexplained` when they are used up.
    pub(crate) fn less_slack(mut self, slack: i64) -> Self {
        let total = self.total() - slack;
        let known: i64 = self.explained().iter().sum();
        let kept = (known - slack).clamp(0, known.max(0));
        let shares = share_out(kept, self.explained());
        for (part, share) in self.explained_mut().into_iter().zip(shares) {
            *part = share;
        }
        self.closed_to(total)
    }

    /// The whole loss.
    pub fn total(&self) -> i64 {
        self.explained().iter().sum::<i64>() + self.unexplained
    }
}

/// A mean loss split into its causes, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LostSeconds {
    /// See [`LossNs::wait_other_config`].
    pub wait_other_config: f64,
    /// See [`LossNs::model_reload`].
    pub model_reload: f64,
    /// See [`LossNs::slot_queue`].
    pub slot_queue: f64,
    /// See [`LossNs::shared_prefill`].
    pub shared_prefill: f64,
    /// See [`LossNs::shared_decode`].
    pub shared_decode: f64,
    /// See [`LossNs::admission`].
    pub admission: f64,
    /// See [`LossNs::client`].
    pub client: f64,
    /// See [`LossNs::thermal_or_power`].
    pub thermal_or_power: f64,
    /// See [`LossNs::unexplained`].
    pub unexplained: f64,
}

impl LostSeconds {
    /// Names as in `report.json`, with the values, in the order of the fields.
    pub const fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("wait_other_config", self.wait_other_config),
            ("model_reload", self.model_reload),
            ("slot_queue", self.slot_queue),
            ("shared_prefill", self.shared_prefill),
            ("shared_decode", self.shared_decode),
            ("admission", self.admission),
            ("client", self.client),
            ("thermal_or_power", self.thermal_or_power),
            ("unexplained", self.unexplained),
        ]
    }

    /// The whole loss, seconds.
    pub fn total(&self) -> f64 {
        self.named().iter().map(|(_, s)| s).sum()
    }

    /// The mean of several losses; none of none.
    pub fn mean_of(losses: &[LossNs]) -> Option<Self> {
        let losses: Vec<Self> = losses.iter().copied().map(Self::from).collect();
        Self::mean_of_means(&losses)
    }

    /// The mean of several mean losses; none of none.
    pub fn mean_of_means(losses: &[Self]) -> Option<Self> {
        let mean =
            |part: fn(&Self) -> f64| losses.iter().map(part).sum::<f64>() / losses.len() as f64;
        (!losses.is_empty()).then(|| Self {
            wait_other_config: mean(|l| l.wait_other_config),
            model_reload: mean(|l| l.model_reload),
            slot_queue: mean(|l| l.slot_queue),
            shared_prefill: mean(|l| l.shared_prefill),
            shared_decode: mean(|l| l.shared_decode),
            admission: mean(|l| l.admission),
            client: mean(|l| l.client),
            thermal_or_power: mean(|l| l.thermal_or_power),
            unexplained: mean(|l| l.unexplained),
        })
    }
}

impl From<LossNs> for LostSeconds {
    fn from(loss: LossNs) -> Self {
        let s = |ns: i64| ns as f64 / 1e9;
        Self {
            wait_other_config: s(loss.wait_other_config),
            model_reload: s(loss.model_reload),
            slot_queue: s(loss.slot_queue),
            shared_prefill: s(loss.shared_prefill),
            shared_decode: s(loss.shared_decode),
            admission: s(loss.admission),
            client: s(loss.client),
            thermal_or_power: s(loss.thermal_or_power),
            unexplained: s(loss.unexplained),
        }
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
