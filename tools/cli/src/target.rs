//! Which drive, and who asks it.

use std::{env, fs, os::unix::ffi::OsStringExt, path::PathBuf, time::Duration};

use clap::Args;
use kinetic_drive::protocol::{DEFAULT_IDENTITY, DEFAULT_KEY};

use crate::failure::{Failure, Result};

/// The port that Kinetic drives listen on.
const PORT: u16 = 8123;
/// Has the secret where no file does.
const SECRET: &str = "KTLI_URING_SECRET";

/// Which drive, and who asks it.
#[derive(Args)]
pub struct Target {
    /// The drive: a name or an address, with its port if that is not 8123; [ADDRESS]:PORT for IPv6
    #[arg(
        short, long, value_name = "HOST[:PORT]", default_value = "127.0.0.1", env = "KTLI_URING_DRIVE", hide_env_values = true,
        value_parser = address
    )]
    pub drive: Address,
    /// The identity that signs requests
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_IDENTITY, env = "KTLI_URING_IDENTITY", hide_env_values = true)]
    pub identity: i64,
    /// A file with the identity's secret, without its last line end. Else the environment variable
    /// `KTLI_URING_SECRET` has it, else it is the one that drives come with
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long to wait for the connection, and for each answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
}

impl Target {
    /// The identity's secret.
    pub fn secret(&self) -> Result<Vec<u8>> {
        let Some(file) = &self.secret_file else {
            return Ok(env::var_os(SECRET).map_or_else(|| DEFAULT_KEY.to_vec(), OsStringExt::into_vec));
        };
        let mut secret = fs::read(file).map_err(|error| Failure::file(file.display(), error))?;
        if secret.ends_with(b"\n") {
            secret.pop();
        }
        Ok(secret)
    }
}

/// Where a drive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn address(text: &str) -> std::result::Result<Address, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("there is no ]")?;
            (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("") }))
        }
        // An IPv6 address without brackets has no port.
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("there is no host".into());
    }
    let port = match port {
        None => PORT,
        Some(port) => {
            port.parse().ok().filter(|port| *port > 0).ok_or("the port is no number up to 65535")?
        }
    };
    Ok(Address { host: host.into(), port })
}

/// A positive time in seconds, with or without a fraction.
fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    // The driver counts milliseconds, and up to ten minutes.
    if !(0.001..=600.0).contains(&seconds) {
        return Err("must be from 0.001 to 600".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_shown() {
        for (text, host, port, shown) in [
            ("drive", "drive", 8123, "drive:8123"),
            ("127.0.0.1:9", "127.0.0.1", 9, "127.0.0.1:9"),
            ("::1", "::1", 8123, "[::1]:8123"),
            ("[::1]", "::1", 8123, "[::1]:8123"),
            ("[::1]:9", "::1", 9, "[::1]:9"),
        ] {
            let address = address(text).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), shown);
        }
        for wrong in ["", ":9", "a:", "a:0", "a:65536", "[::1", "[::1]9", "[::1]:", "[]:9"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_limits() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "601", "NaN", "inf", "x"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
