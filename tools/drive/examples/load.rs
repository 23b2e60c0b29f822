//! Keeps requests outstanding on one connection and reports what each cost
//! the drive in CPU time (user and system).
//!
//! ```text
//! cargo build --release -p kinetic-drive
//! cargo run --release -p kinetic-drive --example load -- \
//!     --drive target/release/kinetic-drive --operation get --value-size 4096
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use kinetic_drive::protocol::{Answer, DEFAULT_KEY, HmacKey, PDU_SIZE, Pdu, RequestBuilder, StatusCode};

/// Measures what a request costs the drive.
#[derive(Parser)]
struct Arguments {
    /// The kinetic-drive program to start and measure
    #[arg(long)]
    drive: PathBuf,
    /// What to send
    #[arg(long, value_enum, default_value_t = Operation::Put)]
    operation: Operation,
    /// Size of the values in bytes
    #[arg(long, default_value_t = 4096)]
    value_size: u32,
    /// How many requests to keep outstanding
    #[arg(long, default_value_t = 32)]
    outstanding: usize,
    /// How many requests to send in total
    #[arg(long, default_value_t = 1_000_000)]
    requests: usize,
    /// How many different keys to use
    #[arg(long, default_value_t = 1000)]
    keys: usize,
    /// Send each request with a system call of its own
    #[arg(long)]
    one_by_one: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Put,
    Get,
    Noop,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut drive = Command::new(&arguments.drive)
        .args(["--port", "0", "--max-value-size", "67108864"])
        .stdout(Stdio::piped())
        .spawn()?;
    let result = run(&arguments, &mut drive);
    drive.kill()?;
    drive.wait()?;
    result
}

fn run(arguments: &Arguments, drive: &mut Child) -> io::Result<()> {
    let mut line = String::new();
    let stdout = drive.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().trim_start_matches("listening on ");
    let mut client = Client::connect(address)?;

    if arguments.operation == Operation::Get {
        client.load(arguments, Operation::Put, arguments.keys)?;
    }
    let cpu_before = cpu_seconds(drive.id())?;
    let begin = Instant::now();
    client.load(arguments, arguments.operation, arguments.requests)?;
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = cpu_seconds(drive.id())? - cpu_before;
    let requests = arguments.requests as f64;
    println!(
        "{:.2} us of drive CPU per request, {:.0} requests/s, {:.1} requests per client write",
        cpu / requests * 1e6,
        requests / elapsed,
        requests / client.writes as f64,
    );
    Ok(())
}

/// User and system time of a process and its threads.
fn cpu_seconds(process: u32) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields are counted from after the command, which may contain spaces.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Ok(ticks as f64 / ticks_per_second as f64)
}

struct Client {
    stream: TcpStream,
    builder: RequestBuilder,
    received: Vec<u8>,
    start: usize,
    end: usize,
    writes: usize,
}

impl Client {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            builder: RequestBuilder::new(0),
            received: vec![0; 1 << 20],
            start: 0,
            end: 0,
            writes: 0,
        };
        while client.answers(|client, answer| {
            client.builder.connection_id = answer.connection_id().unwrap_or_default();
        })? == 0
        {}
        Ok(client)
    }

    /// Sends `total` requests and receives their answers.
    fn load(&mut self, arguments: &Arguments, operation: Operation, total: usize) -> io::Result<()> {
        let value = vec![0x5a; arguments.value_size as usize];
        let (mut sent, mut answered) = (0, 0);
        let mut batch = Vec::new();
        self.writes = 0;
        while answered < total {
            while sent < total && sent - answered < arguments.outstanding {
                let key = format!("key-{:012}", sent % arguments.keys);
                let key = key.as_bytes();
                let request = match operation {
                    Operation::Put => self.builder.put(key, arguments.value_size),
                    Operation::Get => self.builder.get(key),
                    Operation::Noop => self.builder.noop(),
                };
                request.append_to(&mut batch);
                if operation == Operation::Put {
                    batch.extend_from_slice(&value);
                }
                sent += 1;
                if arguments.one_by_one {
                    self.send(&mut batch)?;
                }
            }
            self.send(&mut batch)?;
            answered += self.answers(|_, answer| {
                assert_eq!(answer.status(), StatusCode::Success);
            })?;
        }
        Ok(())
    }

    fn send(&mut self, batch: &mut Vec<u8>) -> io::Result<()> {
        if !batch.is_empty() {
            self.stream.write_all(batch)?;
            self.writes += 1;
            batch.clear();
        }
        Ok(())
    }

    /// Reads once and looks at each complete answer. Returns how many there
    /// were.
    fn answers(&mut self, mut look: impl FnMut(&mut Self, &Answer)) -> io::Result<usize> {
        if self.end == self.received.len() {
            self.received.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.received.len() {
                self.received.resize(2 * self.end, 0);
            }
        }
        let count = self.stream.read(&mut self.received[self.end..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += count;
        let key = HmacKey::new(DEFAULT_KEY);
        let mut answers = 0;
        loop {
            let bytes = &self.received[self.start..self.end];
            let Some(header) = bytes.first_chunk() else {
                break;
            };
            let pdu = Pdu::decode(header).map_err(io::Error::other)?;
            if bytes.len() < pdu.frame_len() {
                break;
            }
            let message = &bytes[PDU_SIZE..pdu.value_offset()];
            let answer = Answer::decode(message, &key).map_err(io::Error::other)?;
            look(self, &answer);
            self.start += pdu.frame_len();
            answers += 1;
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        Ok(answers)
    }
}
