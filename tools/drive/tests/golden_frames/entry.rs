//! PUT, GET, DELETE, GETVERSION and FLUSHALLDATA.

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

/// A GETVERSION of what was put, sequence 302.
pub const GET_VERSION: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "52 b7 91 8f 6a 06 c7 24 0c 88 f4 68 ce d5 65 88 5d c0 ff 3d", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 ae 02",                   //     sequence 302
    "38 10",                      //     messageType GETVERSION
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "6b 65 79",                   //         "key"
];

/// Its answer.
pub const GET_VERSION_RESPONSE: &[&str] = &[
    "46 00 00 00 34 00 00 00 00", // 'F', message of 52 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "7a f1 f9 6f e2 75 ef 96 9c 36 18 74 77 7e 61 ba 28 bc 69 73", //     computed by Python's hmac
    "3a 16",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 ae 02",                   //     ackSequence 302
    "38 0f",                      //     messageType GETVERSION_RESPONSE
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "22 03",                      //       dbVersion, 3 bytes
    "6f 6e 65",                   //         "one"
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A GETVERSION of a key that does not exist, sequence 303.
pub const GET_VERSION_OF_NONE: &[&str] = &[
    "46 00 00 00 32 00 00 00 00", // 'F', message of 50 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "ca 1b c7 63 2a 18 28 22 d1 3c 66 92 a1 bd 05 76 ac 83 b1 93", //     computed by Python's hmac
    "3a 14",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 af 02",                   //     sequence 303
    "38 10",                      //     messageType GETVERSION
    "12 07",                      //   body
    "0a 05",                      //     keyValue
    "1a 03",                      //       key, 3 bytes
    "79 65 6b",                   //         "yek"
];

/// Its answer.
pub const GET_VERSION_OF_NONE_RESPONSE: &[&str] = &[
    "46 00 00 00 38 00 00 00 00", // 'F', message of 56 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "25 5d 05 6c 63 0b a0 6b ba 72 cd a2 49 3a f2 87 e7 5c b3 8e", //     computed by Python's hmac
    "3a 1a",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 af 02",                   //     ackSequence 303
    "38 0f",                      //     messageType GETVERSION_RESPONSE
    "1a 0f",                      //   status
    "08 07",                      //     code NOT_FOUND
    "12 0b",                      //     statusMessage, 11 bytes
    "6e 6f 20 73 75 63 68 20 6b 65 79", //       "no such key"
];

/// A FLUSHALLDATA, sequence 304.
pub const FLUSH: &[&str] = &[
    "46 00 00 00 29 00 00 00 00", // 'F', message of 41 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "8d c3 23 e1 ab 28 9e 80 99 df 9d 74 54 2e 1e 4b 56 c5 f9 6f", //     computed by Python's hmac
    "3a 0b",                      // commandBytes
    "0a 09",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 b0 02",                   //     sequence 304
    "38 20",                      //     messageType FLUSHALLDATA
];

/// Its answer.
pub const FLUSH_RESPONSE: &[&str] = &[
    "46 00 00 00 2b 00 00 00 00", // 'F', message of 43 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "e3 f9 ec d0 dc a0 81 56 23 a8 47 31 a7 f2 2b 91 ce f0 ae 21", //     computed by Python's hmac
    "3a 0d",                      // commandBytes
    "0a 07",                      //   header
    "18 01",                      //     connectionID 1
    "30 b0 02",                   //     ackSequence 304
    "38 1f",                      //     messageType FLUSHALLDATA_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];
