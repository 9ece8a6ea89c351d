//! Cancellation by a closed connection, by the state of its request.

use domain::Stamp;

use super::device::whole_micros;
use super::log::Happened;
use super::machine::Core;
use super::state::{Head, RequestState};
use super::types::{NoticeKind, RequestId};

impl Core {
    /// Does nothing for a request that has ended.
    pub(crate) fn cancel(&mut self, at: Stamp, id: RequestId) {
        self.advance(whole_micros(at));
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if request.gone {
            return;
        }
        let (server, state) = (request.server, request.state);
        let early = self.servers[server].spec.settings.release() < (0, 30, 0);
        request.gone = true;
        let name = state.name();
        self.log_request(id, Happened::Cancelled { state: name });
        self.notify(id, NoticeKind::Dropped);
        match state {
            RequestState::Travelling | RequestState::Resolving => {
                self.requests.swap_remove(&id);
            }
            // The entry keeps its place in the queue and is skipped when it reaches the head.
            RequestState::Blocked | RequestState::Queued | RequestState::Head => {}
            RequestState::Loading => {
                if let Head::Loading(_, uid) = self.servers[server].head {
                    self.forget_runner(uid);
                    self.log_request(id, Happened::LoadAborted);
                }
                self.requests.swap_remove(&id);
                self.servers[server].leave_head(id);
                self.take_pending(server);
            }
            RequestState::Preparing(uid) => {
                self.requests.swap_remove(&id);
                self.detach(uid);
            }
            RequestState::Waiting(uid) => {
                self.runners[&uid].waiting.retain(|other| *other != id);
                self.requests.swap_remove(&id);
                self.detach(uid);
            }
            // Runners before llama-server notice a closed connection only when they write to it.
            RequestState::Prefill(..) if early => {}
            RequestState::Prefill(uid, slot) | RequestState::Decode(uid, slot) => {
                self.leave_slot(id, uid, slot);
            }
        }
    }
}
