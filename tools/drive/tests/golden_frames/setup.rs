//! SETUP, `SET_POWER_LEVEL`, MEDIASCAN and MEDIAOPTIMIZE.

/// A SETUP of cluster version 5, sequence 15.
pub const SET_CLUSTER_VERSION: &[&str] = &[
    "46 00 00 00 30 00 00 00 00", // 'F', message of 48 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "cd 08 03 28 3f 23 dc a0 2d e7 16 7c 1f 3c be a8 a6 df b2 28", //     computed by Python's hmac
    "3a 12",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0f",                      //     sequence 15
    "38 16",                      //     messageType SETUP
    "12 06",                      //   body
    "1a 04",                      //     setup
    "08 05",                      //       newClusterVersion 5
    "30 02",                      //       setupOpType CLUSTER_VERSION_SETUPOP
];

/// Its answer.
pub const SET_CLUSTER_VERSION_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "a9 9b 2b 88 89 cb da 09 04 27 6f 6d b2 e6 db 8f 40 38 50 af", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0f",                      //     ackSequence 15
    "38 15",                      //     messageType SETUP_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A SETUP of firmware, sequence 17, after the erasure.
pub const FIRMWARE: &[&str] = &[
    "46 00 00 00 2e 00 00 00 03", // 'F', message of 46 bytes, value of 3
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "46 75 f4 95 ae dd 3e ba d2 2e c2 de da cf fe ab b1 d3 a8 fc", //     computed by Python's hmac
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 11",                      //     sequence 17
    "38 16",                      //     messageType SETUP
    "12 04",                      //   body
    "1a 02",                      //     setup
    "30 01",                      //       setupOpType FIRMWARE_SETUPOP
    "6e 65 77",                   // value "new"
];

/// Its answer.
pub const FIRMWARE_RESPONSE: &[&str] = &[
    "46 00 00 00 49 00 00 00 00", // 'F', message of 73 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "9e 45 44 e4 4b 70 56 8c 82 31 80 6a 83 fc 89 f9 23 4d 1f f9", //     computed by Python's hmac
    "3a 2b",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 11",                      //     ackSequence 17
    "38 15",                      //     messageType SETUP_RESPONSE
    "1a 21",                      //   status
    "08 10",                      //     code INVALID_REQUEST
    "12 1d",                      //     statusMessage, 29 bytes
    "6e 65 77 20 66 69 72 6d 77 61 72 65 20 69 73 20 6e 6f 74 20 73 75 70 70 6f 72 74 65 64", //       "new firmware is not supported"
];

/// A `SET_POWER_LEVEL` to hibernate, sequence 13.
pub const SLEEP: &[&str] = &[
    "46 00 00 00 2e 00 00 00 00", // 'F', message of 46 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "8b 56 37 16 42 05 2b 70 be c9 38 33 ea 43 0a 45 d7 7d 2e df", //     computed by Python's hmac
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0d",                      //     sequence 13
    "38 30",                      //     messageType SET_POWER_LEVEL
    "12 04",                      //   body
    "52 02",                      //     power
    "08 02",                      //       level HIBERNATE
];

/// Its answer.
pub const SLEEP_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "15 02 46 fc 00 d7 a4 3e d3 15 4b 8a 6b e1 14 14 28 77 ff 70", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0d",                      //     ackSequence 13
    "38 2f",                      //     messageType SET_POWER_LEVEL_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A `SET_POWER_LEVEL` to wake up, sequence 14.
pub const WAKE: &[&str] = &[
    "46 00 00 00 2e 00 00 00 00", // 'F', message of 46 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "56 fb 6a 55 3c a4 90 5e 36 97 2a f6 34 fb 8c 1e 35 df 66 4c", //     computed by Python's hmac
    "3a 10",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0e",                      //     sequence 14
    "38 30",                      //     messageType SET_POWER_LEVEL
    "12 04",                      //   body
    "52 02",                      //     power
    "08 01",                      //       level OPERATIONAL
];

/// Its answer.
pub const WAKE_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "7c c6 0d 01 f1 8b 28 1e ec 5b 79 67 4d 1e bf 60 de 8d e9 3f", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0e",                      //     ackSequence 14
    "38 2f",                      //     messageType SET_POWER_LEVEL_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A MEDIASCAN, sequence 11.
pub const MEDIA_SCAN: &[&str] = &[
    "46 00 00 00 36 00 00 00 00", // 'F', message of 54 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "90 5c 18 59 f2 23 5c 56 2d f6 36 48 9c de aa b4 9c 84 02 70", //     computed by Python's hmac
    "3a 18",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0b",                      //     sequence 11
    "38 26",                      //     messageType MEDIASCAN
    "12 0c",                      //   body
    "12 0a",                      //     range
    "0a 01",                      //       startKey, 1 byte
    "61",                         //         "a"
    "12 01",                      //       endKey, 1 byte
    "7a",                         //         "z"
    "18 01",                      //       startKeyInclusive true
    "20 00",                      //       endKeyInclusive false
];

/// Its answer.
pub const MEDIA_SCAN_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "fc da 58 45 de 4c a2 5a b4 31 54 a8 87 f1 ac 3c 48 77 6c 85", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0b",                      //     ackSequence 11
    "38 25",                      //     messageType MEDIASCAN_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A MEDIAOPTIMIZE, sequence 12.
pub const MEDIA_OPTIMIZE: &[&str] = &[
    "46 00 00 00 36 00 00 00 00", // 'F', message of 54 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "f3 61 bb 48 64 ec 0b 41 d9 91 7c a4 d2 1f 91 cc 2e d7 a8 14", //     computed by Python's hmac
    "3a 18",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0c",                      //     sequence 12
    "38 28",                      //     messageType MEDIAOPTIMIZE
    "12 0c",                      //   body
    "12 0a",                      //     range
    "0a 01",                      //       startKey, 1 byte
    "61",                         //         "a"
    "12 01",                      //       endKey, 1 byte
    "7a",                         //         "z"
    "18 01",                      //       startKeyInclusive true
    "20 00",                      //       endKeyInclusive false
];

/// Its answer.
pub const MEDIA_OPTIMIZE_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "d8 8e 44 e3 68 a7 f4 01 98 79 03 22 96 b4 d8 74 82 e0 ec 7b", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0c",                      //     ackSequence 12
    "38 27",                      //     messageType MEDIAOPTIMIZE_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];
