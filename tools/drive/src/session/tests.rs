//! What the drive says, without sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::*;
use crate::config::Config;
use crate::protocol::{Answer, DEFAULT_KEY, Encoded, HmacKey, RequestBuilder};

fn ask(session: &mut Session, request: &Encoded) -> Option<(StatusCode, bool)> {
    let reply = session.handle(&request.message, Ok(Cow::Borrowed(b"")))?;
    let answer = Answer::decode(&reply.message.encode_to_vec(), &HmacKey::new(DEFAULT_KEY)).unwrap();
    assert_eq!(answer.unsolicited, reply.close);
    Some((answer.status(), reply.close))
}

#[test]
fn changes_wait_while_settings_take_effect() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let device = Arc::new(Device::new(&Config::default(), address).unwrap());
    let mut builder = RequestBuilder::new(1);
    let mut with_batch = Session::new(Arc::clone(&device), 1);
    ask(&mut with_batch, &builder.start_batch(7));
    ask(&mut with_batch, &builder.put_in_batch(7, b"of the batch", 0));
    let session = || Session::new(Arc::clone(&device), 1);
    let cases = [
        (with_batch, builder.end_batch(7, 1), Some((StatusCode::InvalidBatch, true))),
        (session(), builder.put(b"key", 0), Some((StatusCode::Success, false))),
        (session(), builder.delete(b"other"), Some((StatusCode::NotFound, false))),
    ];
    let (said, answers) = mpsc::channel();
    thread::scope(|scope| {
        let alone = device.alone();
        for (mut session, request, expected) in cases {
            let said = said.clone();
            scope.spawn(move || said.send((ask(&mut session, &request), expected)));
        }
        // None of them must get on now.
        let early = answers.recv_timeout(Duration::from_millis(50));
        device.open_batches.discard();
        drop(alone);
        assert_eq!(early, Err(RecvTimeoutError::Timeout));
        for _ in 0..3 {
            let (answer, expected) = answers.recv().unwrap();
            assert_eq!(answer, expected);
        }
    });
    assert_eq!(device.store.get(b"of the batch"), Ok(None));
}

#[test]
fn a_connection_whose_batch_was_discarded_ends() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let device = Arc::new(Device::new(&Config::default(), address).unwrap());
    let mut builder = RequestBuilder::new(1);
    let mut with_batch = Session::new(Arc::clone(&device), 1);
    let mut without = Session::new(Arc::clone(&device), 1);
    let success = Some((StatusCode::Success, false));
    assert_eq!(ask(&mut with_batch, &builder.start_batch(7)), success);
    assert_eq!(ask(&mut with_batch, &builder.put_in_batch(7, b"key", 0)), None);
    device.open_batches.discard();
    assert_eq!(ask(&mut without, &builder.noop()), success);
    let farewell = Some((StatusCode::InvalidBatch, true));
    assert_eq!(ask(&mut with_batch, &builder.end_batch(7, 1)), farewell);
    assert_eq!(device.store.get(b"key"), Ok(None));
}
