//! Frames as hexadecimal bytes, field by field.

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

/// A PUT, sequence 2, with version, tag and algorithm.
pub const PUT: &[&str] = &[
    "46 00 00 00 3e 00 00 00 05", // 'F', message of 62 bytes, value of 5
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "63 83 16 52 b6 e8 19 6d a1 97 7d 66 e7 c6 9e 5d cc 4b bb 16", //     computed by Python's hmac
    "3a 20",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 02",                      //     sequence 2
    "38 04",                      //     messageType PUT
    "12 14",                      //   body
    "0a 12",                      //     keyValue
    "12 03",                      //       newVersion, 3 bytes
    "6f 6e 65",                   //         "one"
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "2a 04",                      //       tag, 4 bytes
    "74 61 67 21",                //         "tag!"
    "30 01",                      //       algorithm SHA1
    "76 61 6c 75 65",             // value "value"
];

/// Its answer, with an empty keyValue.
pub const PUT_RESPONSE: &[&str] = &[
    "46 00 00 00 2e 00 00 00 00", // 'F', message of 46 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "4a 53 b3 77 3a 2f a1 1e fa 41 2e a4 90 3c 30 01 0d 8e 73 56", //     computed by Python's hmac
    "3a 10",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 02",                      //     ackSequence 2
    "38 03",                      //     messageType PUT_RESPONSE
    "12 02",                      //   body
    "0a 00",                      //     keyValue
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GET of what was put, sequence 300.
pub const GET: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "65 9b 42 84 cb 23 2d cf 5e 97 3d 0f d4 4b f5 13 bb 1b 7d 28", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ac 02",                   //     sequence 300
    "38 02",                      //     messageType GET
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
];

/// Its answer, followed by the value.
pub const GET_RESPONSE: &[&str] = &[
    "46 00 00 00 41 00 00 00 05", // 'F', message of 65 bytes, value of 5
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "a0 a2 21 c1 7d 26 7e a9 bb 9a 65 92 73 f0 d8 47 57 de 39 55", //     computed by Python's hmac
    "3a 23",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 ac 02",                   //     ackSequence 300
    "38 01",                      //     messageType GET_RESPONSE
    "12 14",                      //   body
    "0a 12",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "22 03",                      //       dbVersion, 3 bytes
    "6f 6e 65",                   //         "one"
    "2a 04",                      //       tag, 4 bytes
    "74 61 67 21",                //         "tag!"
    "30 01",                      //       algorithm SHA1
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
    "76 61 6c 75 65",             // value "value"
];

/// A DELETE, sequence 301, of another version.
pub const DELETE: &[&str] = &[
    "46 00 00 00 37 00 00 00 00", // 'F', message of 55 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "09 ca 97 bf 36 de d2 36 58 e2 2d e6 ee 64 1d 95 62 20 52 e9", //     computed by Python's hmac
    "3a 19",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ad 02",                   //     sequence 301
    "38 06",                      //     messageType DELETE
    "12 0c",                      //   body
    "0a 0a",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
    "22 03",                      //       dbVersion, 3 bytes
    "74 77 6f",                   //         "two"
];

/// Its answer: the version is wrong.
pub const DELETE_RESPONSE: &[&str] = &[
    "46 00 00 00 4e 00 00 00 00", // 'F', message of 78 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "75 0c a4 1f 02 43 eb d1 e0 3b 85 d2 98 75 2d 0e f4 8b 72 ba", //     computed by Python's hmac
    "3a 30",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 ad 02",                   //     ackSequence 301
    "38 05",                      //     messageType DELETE_RESPONSE
    "1a 25",                      //   status
    "08 08",                      //     code VERSION_MISMATCH
    "12 21",                      //     statusMessage, 33 bytes
    "74 68 65 20 73 74 6f 72 65 64 20 76 65 72 73 69 6f 6e 20 69 73 20 61 6e 6f 74 68 65 72 20 6f 6e 65", //       "the stored version is another one"
];
