//! PINOP, and what a locked drive says.

/// A PINOP that locks, sequence 4. It is not signed.
pub const LOCK: &[&str] = &[
    "46 00 00 00 1c 00 00 00 00", // 'F', message of 28 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "32 06",                      // pinAuth
    "0a 04",                      //   pin, 4 bytes
    "31 32 33 34",                //     "1234"
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 04",                      //     sequence 4
    "38 24",                      //     messageType PINOP
    "12 04",                      //   body
    "42 02",                      //     pinOp
    "08 02",                      //       pinOpType LOCK_PINOP
];

/// Its answer, which is not signed either.
pub const LOCK_RESPONSE: &[&str] = &[
    "46 00 00 00 10 00 00 00 00", // 'F', message of 16 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 04",                      //     ackSequence 4
    "38 23",                      //     messageType PINOP_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A PINOP with a wrong PIN, sequence 5.
pub const UNLOCK_WITH_WRONG_PIN: &[&str] = &[
    "46 00 00 00 1b 00 00 00 00", // 'F', message of 27 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "32 05",                      // pinAuth
    "0a 03",                      //   pin, 3 bytes
    "31 32 33",                   //     "123"
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 05",                      //     sequence 5
    "38 24",                      //     messageType PINOP
    "12 04",                      //   body
    "42 02",                      //     pinOp
    "08 01",                      //       pinOpType UNLOCK_PINOP
];

/// Its answer.
pub const UNLOCK_WITH_WRONG_PIN_RESPONSE: &[&str] = &[
    "46 00 00 00 22 00 00 00 00", // 'F', message of 34 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "3a 1e",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 05",                      //     ackSequence 5
    "38 23",                      //     messageType PINOP_RESPONSE
    "1a 14",                      //   status
    "08 03",                      //     code NOT_AUTHORIZED
    "12 10",                      //     statusMessage, 16 bytes
    "74 68 65 20 50 49 4e 20 69 73 20 77 72 6f 6e 67", //       "the PIN is wrong"
];

/// A GETLOG of a locked drive, sequence 6.
pub const GET_LOG_OF_LOCKED: &[&str] = &[
    "46 00 00 00 2e 00 00 00 00", // 'F', message of 46 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "6b 32 58 cd 57 09 23 cf 42 89 96 14 ac 8d 90 06 64 4f bd 31", //     computed by Python's hmac
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 06",                      //     sequence 6
    "38 18",                      //     messageType GETLOG
    "12 04",                      //   body
    "32 02",                      //     getLog
    "08 02",                      //       types CAPACITIES
];

/// Its answer.
pub const GET_LOG_OF_LOCKED_RESPONSE: &[&str] = &[
    "46 00 00 00 3f 00 00 00 00", // 'F', message of 63 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "cc cf 5b 9f 95 54 c2 24 3a 96 3e 83 e0 d9 41 47 dd fa ec c0", //     computed by Python's hmac
    "3a 21",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 06",                      //     ackSequence 6
    "38 17",                      //     messageType GETLOG_RESPONSE
    "1a 17",                      //   status
    "08 12",                      //     code DEVICE_LOCKED
    "12 13",                      //     statusMessage, 19 bytes
    "74 68 65 20 64 72 69 76 65 20 69 73 20 6c 6f 63 6b 65 64", //       "the drive is locked"
];

/// A PINOP that unlocks, sequence 7.
pub const UNLOCK: &[&str] = &[
    "46 00 00 00 1c 00 00 00 00", // 'F', message of 28 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "32 06",                      // pinAuth
    "0a 04",                      //   pin, 4 bytes
    "31 32 33 34",                //     "1234"
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 07",                      //     sequence 7
    "38 24",                      //     messageType PINOP
    "12 04",                      //   body
    "42 02",                      //     pinOp
    "08 01",                      //       pinOpType UNLOCK_PINOP
];

/// Its answer.
pub const UNLOCK_RESPONSE: &[&str] = &[
    "46 00 00 00 10 00 00 00 00", // 'F', message of 16 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 07",                      //     ackSequence 7
    "38 23",                      //     messageType PINOP_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A PINOP that erases, sequence 16, of a drive without an erase PIN, in cluster version 5.
pub const ERASE: &[&str] = &[
    "46 00 00 00 18 00 00 00 00", // 'F', message of 24 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "32 02",                      // pinAuth
    "0a 00",                      //   pin, 0 bytes
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 05",                      //     clusterVersion 5
    "18 01",                      //     connectionID 1
    "20 10",                      //     sequence 16
    "38 24",                      //     messageType PINOP
    "12 04",                      //   body
    "42 02",                      //     pinOp
    "08 03",                      //       pinOpType ERASE_PINOP
];

/// Its answer.
pub const ERASE_RESPONSE: &[&str] = &[
    "46 00 00 00 10 00 00 00 00", // 'F', message of 16 bytes, value of 0
    "20 02",                      // authType PINAUTH
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 10",                      //     ackSequence 16
    "38 23",                      //     messageType PINOP_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];
