//! NOOP.

/// A NOOP, sequence 1, on connection 1.
pub const NOOP: &[&str] = &[
    "46 00 00 00 28 00 00 00 00", // 'F', message of 40 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "75 c5 05 1e 6c 06 d2 32 05 60 a8 dd 1a 63 3f 74 60 5a 1e f3", //     computed by Python's hmac
    "3a 0a",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 01",                      //     sequence 1
    "38 1e",                      //     messageType NOOP
];

/// The same with an empty body, as libkinetic sends it.
pub const NOOP_WITH_BODY: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "4e c4 48 b2 5b b3 ab a5 e6 4d 67 ec 80 4b 4e 64 5d 7a 46 be", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 01",                      //     sequence 1
    "38 1e",                      //     messageType NOOP
    "12 00",                      //   body
];

/// The answer to both.
pub const NOOP_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "7d cd 7c 03 e0 c1 5e b4 b3 10 11 2e be 72 ee f6 0c 37 39 91", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 01",                      //     ackSequence 1
    "38 1d",                      //     messageType NOOP_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];
