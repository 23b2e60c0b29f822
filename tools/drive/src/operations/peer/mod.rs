//! Sending entries to another drive.

mod check;

use std::io;

use prost::Message as _;

use super::{Done, Failure, Request};
use crate::patience::Patience;
use crate::peer::{self, Link, Voice};
use crate::protocol::{
    Body, KeyValue, MessageType, Peer, PeerOperation, Permission, Push, Status, StatusCode, Synchronization,
};
use crate::store::Entry;

/// Why the rest of a request is not attempted.
enum Broken {
    /// The other drive cannot be reached any more.
    Connection(String),
    /// There is no time left.
    Expired,
}

/// The way to the other drive, from the first entry on that is sent.
struct Way<'a> {
    request: &'a Request<'a>,
    peer: &'a Peer,
    patience: &'a Patience<'a>,
    link: Option<Link<'a>>,
}

pub(super) fn push(mut request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::PeerToPeer, None)?;
    let operation = request.body.peer_operation.take().map(|operation| *operation).unwrap_or_default();
    check::check(&operation, request.device.bounds.max_message_size)?;
    let patience = Patience::new(request.header, &request.device.stopping);
    let PeerOperation { peer, mut pushes, .. } = operation;
    let peer = peer.unwrap_or_default();
    let mut way = Way { request: &request, peer: &peer, patience: &patience, link: None };
    let mut broken = None;
    for push in &mut pushes {
        match broken {
            None => broken = way.send(push).err(),
            Some(_) => not_attempted(push),
        }
    }
    drop(way);
    let all_succeeded = pushes.iter().all(succeeded);
    let answer = PeerOperation { peer: Some(peer), pushes, all_succeeded: Some(all_succeeded) };
    let body = Body { peer_operation: Some(Box::new(answer)), ..Body::default() };
    let (code, reason) = match broken {
        None if all_succeeded => return Ok(Done { body: Some(body), ..Done::default() }),
        None => (StatusCode::NestedOperationErrors, "some of the entries were not sent".to_owned()),
        Some(Broken::Connection(reason)) => (StatusCode::RemoteConnectionError, reason),
        Some(Broken::Expired) => (StatusCode::Expired, "the time is over".to_owned()),
    };
    Err(Failure { body: Some(Box::new(body)), ..Failure::new(code, reason) })
}

impl<'a> Way<'a> {
    /// Sends an entry, and has the other drive send on what is to follow. How
    /// that went is put into `push`.
    ///
    /// # Errors
    ///
    /// If nothing more can be sent after it.
    fn send(&mut self, push: &mut Push) -> Result<(), Broken> {
        not_attempted(push);
        if self.patience.is_over() {
            return Err(Broken::Expired);
        }
        let put = match self.put(push) {
            Ok(status) => status,
            Err(error) => {
                push.status = Some(status(StatusCode::RemoteConnectionError, error.to_string()));
                return Err(self.broken(&error));
            }
        };
        let stored = put.code() == StatusCode::Success;
        push.status = Some(put);
        match &mut push.next {
            Some(next) if stored => self.send_on(next),
            _ => Ok(()),
        }
    }

    /// Sends an entry, unless it turns out at once that it cannot be.
    fn put(&mut self, push: &Push) -> io::Result<Status> {
        let (key_value, entry) = match self.entry(push) {
            Ok(found) => found,
            Err(failure) => return Ok(status(failure.code, failure.reason.into_owned())),
        };
        let link = self.link()?;
        if entry.value.len() > link.max_value_size() {
            let (len, max) = (entry.value.len(), link.max_value_size());
            let reason = format!("value of {len} bytes exceeds the peer's limit of {max}");
            return Ok(status(StatusCode::InvalidRequest, reason));
        }
        let answer = link.put(key_value, &entry.value)?;
        self.request.device.counters.moved(MessageType::PeerToPeerPush, entry.value.len());
        Ok(status(answer.status(), peer::text(&answer)))
    }

    /// What to put where.
    fn entry(&self, push: &Push) -> Result<(KeyValue, Entry), Failure> {
        let key = push.key.as_ref().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Failure::invalid("a key is required"))?;
        self.request.authorize(Permission::PeerToPeer, Some(key))?;
        self.request.authorize(Permission::Read, Some(key))?;
        let entry = self.request.device.store.get(key)?;
        let entry = entry.ok_or_else(|| Failure::new(StatusCode::NotFound, "no such key"))?;
        let key_value = KeyValue {
            key: Some(push.new_key.clone().unwrap_or_else(|| key.clone())),
            new_version: entry.version.clone(),
            db_version: push.version.clone(),
            tag: entry.tag.clone(),
            algorithm: entry.algorithm,
            force: push.force,
            synchronization: Some(Synchronization::WriteThrough.into()),
            ..KeyValue::default()
        };
        Ok((key_value, entry))
    }

    /// Has the other drive send entries on, which are not attempted so far.
    /// What it says of them replaces what was asked for.
    fn send_on(&mut self, next: &mut PeerOperation) -> Result<(), Broken> {
        let asked = as_asked(next);
        let longest = check::longest_answer(&asked);
        let (code, reason, result) = match self.link().and_then(|link| link.push(asked)) {
            Ok(answer) => {
                let (code, reason) = (answer.status(), peer::text(&answer));
                match answer.command.body.and_then(|body| body.peer_operation) {
                    Some(answer) if answer.encoded_len() <= longest => {
                        *next = *answer;
                        return Ok(());
                    }
                    None if code != StatusCode::Success => (code, reason, Ok(())),
                    _ => (StatusCode::InternalError, "the peer's answer makes no sense".to_owned(), Ok(())),
                }
            }
            Err(error) => (StatusCode::RemoteConnectionError, error.to_string(), Err(self.broken(&error))),
        };
        // Only entries have a status of their own.
        if let Some(first) = next.pushes.first_mut() {
            first.status = Some(status(code, reason));
        }
        result
    }

    fn link(&mut self) -> io::Result<&mut Link<'a>> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let voice = Voice {
                    identity: self.request.identity,
                    key: &self.request.requester.key,
                    cluster_version: self.request.settings.cluster_version,
                };
                Link::connect(self.peer, &voice, self.patience, &self.request.device.lookups)?
            }
        };
        Ok(self.link.insert(link))
    }

    fn broken(&self, error: &io::Error) -> Broken {
        if self.patience.is_over() {
            Broken::Expired
        } else {
            Broken::Connection(format!("peer {}:{}: {error}", self.peer.hostname(), self.peer.port()))
        }
    }
}

/// Whether an entry was sent, and all that was to follow it.
fn succeeded(push: &Push) -> bool {
    push.status.as_ref().is_some_and(|status| status.code() == StatusCode::Success)
        && push.next.as_ref().is_none_or(PeerOperation::all_succeeded)
}

fn status(code: StatusCode, reason: String) -> Status {
    Status {
        code: Some(code.into()),
        status_message: Some(reason).filter(|reason| !reason.is_empty()),
        detailed_message: None,
    }
}

/// Says of an entry, and of all that was to follow it, that it was not tried.
fn not_attempted(push: &mut Push) {
    push.status = Some(status(StatusCode::NotAttempted, String::new()));
    push.next.iter_mut().for_each(skip);
}

fn skip(operation: &mut PeerOperation) {
    operation.pushes.iter_mut().for_each(not_attempted);
    operation.all_succeeded = Some(operation.pushes.is_empty());
}

/// A request without what is said of it in answers.
fn as_asked(operation: &PeerOperation) -> PeerOperation {
    let pushes = operation.pushes.iter().map(|push| Push {
        status: None,
        next: push.next.as_ref().map(as_asked),
        ..push.clone()
    });
    PeerOperation { peer: operation.peer.clone(), pushes: pushes.collect(), all_succeeded: None }
}
