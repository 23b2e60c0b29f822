use super::*;

fn stage(handoff: &Handoff, message: &[u8]) -> Staged {
    let limit = Limit { bytes: 100, messages: 3 };
    handoff.stage(message.len(), limit, |bytes| bytes.extend_from_slice(message), || {}).unwrap()
}

/// A socket with room for so many bytes.
fn send(room: &mut usize) -> impl FnMut(&[u8], usize) -> io::Result<usize> {
    move |bytes, _| {
        let count = bytes.len().min(*room);
        *room -= count;
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}

#[test]
fn a_receiver_does_not_sleep_on_what_a_full_socket_left() {
    let handoff = Handoff::new(100);
    handoff.arrive();
    assert_eq!(stage(&handoff, b"message"), Staged::Attended);
    assert_eq!(handoff.flush(send(&mut 3)).unwrap(), Flushed::Full);
    assert!(!handoff.fall_asleep(false, false), "four bytes are left");
    assert!(handoff.is_neglected(), "nobody may come by who knows of them");
    assert!(handoff.fall_asleep(true, false), "with room awaited it may");
    handoff.woken(false);
    assert_eq!(handoff.flush(send(&mut 100)).unwrap(), Flushed::All);
    assert!(handoff.fall_asleep(false, false));
}

#[test]
fn too_much_is_not_staged() {
    let handoff = Handoff::new(10);
    assert_eq!(stage(&handoff, b"0123456789"), Staged::Unattended);
    assert_eq!(stage(&handoff, b"0"), Staged::Full);
    assert_eq!(handoff.flush(send(&mut 100)).unwrap(), Flushed::All);
    assert_eq!(stage(&handoff, b"0"), Staged::Unattended);
}

#[test]
fn messages_are_counted_until_they_leave() {
    let handoff = Handoff::new(100);
    for _ in 0..3 {
        assert_eq!(stage(&handoff, b"a"), Staged::Unattended);
    }
    assert_eq!(stage(&handoff, b"a"), Staged::Full);
    assert_eq!(handoff.flush(send(&mut 100)).unwrap(), Flushed::All);
    assert_eq!(stage(&handoff, b"a"), Staged::Unattended);
}

#[test]
fn a_flush_knows_how_many_messages_end_in_it() {
    let handoff = Handoff::new(100);
    let flush = |room: usize| {
        let mut told = 0;
        let send = |bytes: &[u8], messages| {
            told = messages;
            Ok(bytes.len().min(room))
        };
        handoff.flush(send).unwrap();
        told
    };
    stage(&handoff, b"01234");
    stage(&handoff, b"56789");
    assert_eq!(flush(10), 2);
    stage(&handoff, b"01234");
    stage(&handoff, b"56789");
    let mut room = 7;
    assert_eq!(handoff.flush(send(&mut room)).unwrap(), Flushed::Full);
    stage(&handoff, b"01234");
    let wire = handoff.begin_flush().unwrap();
    assert_eq!((wire.pending(), wire.messages()), (&b"78901234"[..], 3));
    drop(wire);
    assert_eq!(flush(8), 3);
    stage(&handoff, b"a");
    assert_eq!(flush(1), 1);
}

#[test]
fn what_was_left_by_a_shortage_stays() {
    let handoff = Handoff::new(100);
    handoff.arrive();
    stage(&handoff, b"01234");
    for errno in [Errno::NOMEM, Errno(libc::ENOBUFS)] {
        let flushed = handoff.flush(|_, _| Err(io::Error::from_raw_os_error(errno.0)));
        assert_eq!(flushed.unwrap(), Flushed::Short);
    }
    stage(&handoff, b"56789");
    assert!(!handoff.fall_asleep(false, false) && handoff.fall_asleep(true, false));
    assert!(handoff.is_neglected(), "the sweeper tries, too");
    let wire = handoff.begin_flush().unwrap();
    assert_eq!((wire.pending(), wire.messages()), (&b"0123456789"[..], 2));
}

#[test]
fn what_was_left_after_an_error_is_dropped() {
    let handoff = Handoff::new(10);
    stage(&handoff, b"01234");
    assert!(handoff.flush(|_, _| Err(io::ErrorKind::BrokenPipe.into())).is_err());
    assert!(!handoff.is_pending());
}

#[test]
fn only_what_waits_for_two_looks_is_neglected() {
    let handoff = Handoff::new(100);
    handoff.arrive();
    stage(&handoff, b"a");
    assert!(!handoff.is_neglected());
    assert!(handoff.is_neglected());
    assert_eq!(stage(&handoff, b"b"), Staged::Unattended, "the receiver counts as absent");
    handoff.arrive();
    assert_eq!(stage(&handoff, b"c"), Staged::Attended);
    handoff.flush(send(&mut 100)).unwrap();
    stage(&handoff, b"d");
    assert!(!handoff.is_neglected(), "another batch");
    // One that looks is as good as awake, and no better.
    handoff.look();
    assert_eq!((stage(&handoff, b"e"), handoff.attention()), (Staged::Attended, Attention::Looking));
    assert!(handoff.is_neglected());
    assert_eq!(stage(&handoff, b"f"), Staged::Unattended);
}
