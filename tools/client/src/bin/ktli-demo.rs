//! The demo: real Kinetic PUTs and GETs through the driver's C interface, every value compared, beside
//! the socket driver's flow.

use std::{
    error::Error,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use kinetic_drive::protocol::{Answer, DEFAULT_KEY, HmacKey, RequestBuilder, StatusCode};
use ktli_client::{
    driver::{Driver, STOCK, URING},
    peer::Peer,
    session::{Request, Session},
};

/// Requests outstanding at a time.
const OUTSTANDING: usize = 32;
/// How long an answer may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Sizes of the values in bytes, and how many of each are put and got in one round.
const POINTS: [(usize, usize); 5] =
    [(4 << 10, 4000), (16 << 10, 3000), (64 << 10, 1500), (256 << 10, 400), (1 << 20, 120)];
/// Rounds, in which the drivers take turns: the machine's mood changes from second to second.
const ROUNDS: usize = 7;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ktli-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let drive = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("kinetic-drive"),
    };
    let peer = Peer::start(&drive, &[])?;
    println!("drive     kinetic-drive on {}", peer.address);
    println!("kernel    Linux {}", std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
    println!("driver    {}", ktli_uring::describe());
    println!(
        "work      {OUTSTANDING} requests outstanding, every value read back and compared, {ROUNDS} rounds"
    );
    println!();
    println!("{:>14} | {:^30} | {:^30} | {:^13}", "", URING.name, STOCK.name, "ratio");
    println!(
        "{:>14} | {:>10} {:>8} {:>10} | {:>10} {:>8} {:>10} | {:>6} {:>6}",
        "value", "requests/s", "MB/s", "CPU us", "requests/s", "MB/s", "CPU us", "speed", "CPU"
    );
    let mut values = 0;
    for (size, count) in POINTS {
        // What each round cost: by round, driver and operation.
        let mut costs = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let mut turns = [(0, URING), (1, STOCK)];
            if round % 2 == 1 {
                turns.reverse();
            }
            let mut both = [[Cost::default(); 2]; 2];
            for (index, driver) in turns {
                both[index] = exercise(driver, peer.address, size, count)
                    .map_err(|error| format!("{}, {size} bytes: {error}", driver.name))?;
                values += count;
            }
            costs.push(both);
        }
        for (operation, name) in ["PUT", "GET"].into_iter().enumerate() {
            let median_of =
                |figure: &dyn Fn(&[[Cost; 2]; 2]) -> f64| median(costs.iter().map(figure).collect());
            let rate =
                |driver: usize| median_of(&|both| count as f64 / both[driver][operation].time.as_secs_f64());
            let cpu = |driver: usize| {
                median_of(&|both| both[driver][operation].cpu.as_secs_f64() * 1e6 / count as f64)
            };
            let ratio = |figure: &dyn Fn(&Cost) -> Duration| {
                median_of(&|both| {
                    figure(&both[0][operation]).as_secs_f64() / figure(&both[1][operation]).as_secs_f64()
                })
            };
            let bytes = |driver: usize| rate(driver) * size as f64 / 1e6;
            println!(
                "{:>6} KiB {name} | {:>10.0} {:>8.0} {:>10.1} | {:>10.0} {:>8.0} {:>10.1} | {:>5.2}x {:>5.2}x",
                size >> 10,
                rate(0),
                bytes(0),
                cpu(0),
                rate(1),
                bytes(1),
                cpu(1),
                1.0 / ratio(&|cost| cost.time),
                ratio(&|cost| cost.cpu)
            );
        }
    }
    println!();
    println!(
        "{values} values were put, got and found equal. All figures are medians of {ROUNDS} rounds, the ratios"
    );
    println!(
        "those of the rounds' ratios. CPU us is the client's user and system time for a request, with all that"
    );
    println!("this program does for it (HMAC, comparison) beside the driver.");
    Ok(())
}

/// A connected client of the drive.
struct Client {
    session: Session,
    builder: RequestBuilder,
    key: HmacKey,
}

impl Client {
    fn connect(driver: Driver, address: SocketAddr) -> Result<Client> {
        let session = Session::connect(driver, address)?;
        let key = HmacKey::new(DEFAULT_KEY);
        // The drive speaks first: its status tells the connection's number.
        let greeting = Answer::decode(&session.answer(PATIENCE)?.message, &key)?;
        let number = greeting.connection_id().ok_or("the drive's greeting has no connection number")?;
        Ok(Client { session, builder: RequestBuilder::new(number), key })
    }

    /// Makes `count` requests with a bounded number outstanding; `check` sees each answer's value.
    fn requests(
        &mut self,
        count: usize,
        make: impl Fn(&mut RequestBuilder, usize) -> Request,
        check: impl Fn(usize, &[u8]) -> Result<()>,
    ) -> Result<Cost> {
        let start = (Instant::now(), cpu_time()?);
        let first = self.builder.sequence;
        let mut submitted = 0;
        for answered in 0..count {
            while submitted < count && submitted - answered < OUTSTANDING {
                self.session.submit(make(&mut self.builder, submitted))?;
                submitted += 1;
            }
            let raw = self.session.answer(PATIENCE)?;
            let answer = Answer::decode(&raw.message, &self.key)?;
            if answer.status() != StatusCode::Success {
                return Err(
                    format!("the drive says {:?}: {}", answer.status(), answer.status_message()).into()
                );
            }
            let index = answer.ack_sequence().ok_or("an answer acknowledges nothing")? - first;
            check(usize::try_from(index)?, &raw.value)?;
        }
        Ok(Cost { time: start.0.elapsed(), cpu: cpu_time()?.saturating_sub(start.1) })
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What some requests took.
#[derive(Clone, Copy, Default)]
struct Cost {
    time: Duration,
    /// User and system time of all threads of this process: the client's, not the drive's.
    cpu: Duration,
}

/// CPU time that the threads now alive have used, to the nanosecond.
fn cpu_time() -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread may end between the listing and the reading.
        let statistics = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += statistics.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Puts and gets `count` values of `size` bytes; tells what each took.
fn exercise(driver: Driver, address: SocketAddr, size: usize, count: usize) -> Result<[Cost; 2]> {
    let mut client = Client::connect(driver, address)?;
    let values: Vec<Arc<[u8]>> = (0..OUTSTANDING).map(|index| value(size, index as u64)).collect();
    let key = |index: usize| format!("demo/{size}/{:08}", index % 256).into_bytes();
    let none: Arc<[u8]> = Arc::new([]);
    let put = client.requests(
        count,
        |builder, index| Request {
            encoded: builder.put(&key(index), size as u32),
            value: Arc::clone(&values[index % 256 % OUTSTANDING]),
        },
        |_, _| Ok(()),
    )?;
    let get = client.requests(
        count,
        |builder, index| Request { encoded: builder.get(&key(index)), value: Arc::clone(&none) },
        |index, got| {
            let put = &values[index % 256 % OUTSTANDING];
            if got == &**put {
                return Ok(());
            }
            let at = got.iter().zip(put.iter()).position(|(got, put)| got != put);
            Err(match at {
                Some(at) => format!("value {index} differs at byte {at}"),
                None => format!("value {index} has {} bytes instead of {}", got.len(), put.len()),
            }
            .into())
        },
    )?;
    Ok([put, get])
}

/// Bytes that differ from value to value and from place to place (xorshift).
fn value(size: usize, seed: u64) -> Arc<[u8]> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}
