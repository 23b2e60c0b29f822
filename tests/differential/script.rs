//! What client and peer do, one step after the other, and how it is made up.

use proptest::{collection::vec, prelude::*};

/// A sequence of steps, and what kind of peer it meets.
#[derive(Clone, Debug)]
pub struct Script {
    /// The peer's receive buffer is as small as can be, so that accepted bytes wait in the client's socket.
    pub narrow: bool,
    pub steps: Vec<Step>,
}

/// The vector of a `receive`.
#[derive(Clone, Debug)]
pub enum Shape {
    /// As libkinetic does: the nine bytes of a PDU, or message and value of the one that was received last.
    Next,
    /// Pieces of these lengths, wherever the borders are.
    Pieces(Vec<usize>),
    /// So many pieces of one byte.
    Many(usize),
}

#[derive(Clone, Debug)]
pub enum Step {
    // The client's calls.
    Connect,
    /// Though it is connected; then disconnect.
    ConnectAgain,
    /// With TLS, then disconnect.
    ConnectTls,
    /// To a port where nobody listens.
    ConnectRefused,
    /// `late`: the peer begins to read only when the call has returned, or waits for it.
    Disconnect {
        late: bool,
    },
    Close,
    /// A new handle, if the last one is closed.
    Open,
    /// Pieces of these lengths.
    Send(Vec<usize>),
    /// So many pieces of one byte.
    SendMany(usize),
    /// At most so many milliseconds; -1 is for ever, where something is there.
    Poll(i32),
    /// What the peer has not said yet it says after so many milliseconds.
    Receive(Shape, u64),

    // The peer's part.
    /// A Kinetic message, of which the last `withheld` bytes wait.
    Say {
        message: usize,
        value: usize,
        withheld: usize,
    },
    /// What was withheld.
    Rest,
    /// Something that is no PDU: a wrong first byte, or lengths beyond everything.
    Garbage {
        lengths: bool,
    },
    /// Reads all that was accepted.
    Hear,
    /// Closes its direction, and goes on reading.
    Fin,
    /// Reads all that was accepted, then closes the connection.
    Cut,
    /// Reads all that was accepted, then resets the connection.
    Reset,
    /// Nothing happens for so many milliseconds.
    Silence(u64),
}

/// Lengths of the pieces of a vector: some of them none, most of them odd, few of them large.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        2 => Just(0_usize),
        2 => Just(1),
        6 => 2..300_usize,
        2 => 300..9000_usize,
        1 => 20_000..50_000_usize,
    ];
    prop_oneof![
        // As libkinetic does.
        3 => (60..400_usize, 0..40_000_usize).prop_map(|(message, value)| vec![9, message, value]),
        3 => vec(length, 0..4),
        1 => vec(0..40_usize, 0..60),
    ]
}

fn say() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        3 => Just(0_usize),
        4 => 1..2000_usize,
        2 => 2000..49_152_usize,
        1 => 49_152..100_000_usize,
    ];
    let withheld = prop_oneof![3 => Just(0_usize), 1 => 1..60_usize, 1 => 60..60_000_usize];
    (0..400_usize, value, withheld).prop_map(|(message, value, withheld)| Step::Say {
        message,
        value,
        withheld,
    })
}

fn receive() -> impl Strategy<Value = Step> {
    let shape = prop_oneof![
        8 => Just(Shape::Next),
        3 => pieces().prop_map(Shape::Pieces),
        1 => (1025..2000_usize).prop_map(Shape::Many),
    ];
    (shape, 0..3_u64).prop_map(|(shape, late)| Step::Receive(shape, late))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => Just(Step::Connect),
        1 => Just(Step::ConnectAgain),
        1 => Just(Step::ConnectTls),
        1 => Just(Step::ConnectRefused),
        4 => any::<bool>().prop_map(|late| Step::Disconnect { late }),
        1 => Just(Step::Close),
        12 => Just(Step::Open),
        20 => pieces().prop_map(Step::Send),
        1 => (1025..3000_usize).prop_map(Step::SendMany),
        24 => prop_oneof![Just(0), Just(1), Just(5), Just(-1)].prop_map(Step::Poll),
        24 => receive(),
        20 => say(),
        4 => Just(Step::Rest),
        1 => any::<bool>().prop_map(|lengths| Step::Garbage { lengths }),
        5 => Just(Step::Hear),
        2 => Just(Step::Fin),
        2 => Just(Step::Cut),
        2 => Just(Step::Reset),
        2 => (1..5_u64).prop_map(Step::Silence),
    ]
}

/// Any script.
pub fn script() -> impl Strategy<Value = Script> {
    (prop::bool::weighted(0.1), prop::bool::weighted(0.9), vec(step(), 1..40)).prop_map(
        |(narrow, connected, mut steps)| {
            if connected {
                steps.insert(0, Step::Connect);
            }
            Script { narrow, steps }
        },
    )
}
