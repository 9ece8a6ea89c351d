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
        let (server, tag, state) = (request.server, request.work.tag, request.state);
        let early = self.servers[server].spec.settings.release() < (0, 30, 0);
        request.gone = true;
        let happened = Happened::Cancelled {
            id,
            tag,
            state: state.name(),
        };
        self.happened(server, happened);
        self.notify(id, NoticeKind::Dropped);
        match state {
            RequestState::Travelling | RequestState::Resolving => {
                self.requests.remove(&id);
            }
            // The entry keeps its place in the queue and is skipped when it reaches the head.
            RequestState::Blocked | RequestState::Queued | RequestState::Head => {}
            RequestState::Loading => {
                if let Head::Loading(_, uid) = self.servers[server].head {
                    let model = self.runners[&uid].name.clone();
                    self.forget_runner(uid);
                    self.happened(server, Happened::LoadAborted { id, model });
                }
                self.requests.remove(&id);
                self.servers[server].retried.remove(&id);
                self.servers[server].head = Head::None;
                self.take_pending(server);
            }
            RequestState::Preparing(uid) => {
                self.requests.remove(&id);
                self.detach(uid);
            }
            RequestState::Waiting(uid) => {
                if let Some(runner) = self.runners.get_mut(&uid) {
                    runner.waiting.retain(|other| *other != id);
                }
                self.requests.remove(&id);
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
