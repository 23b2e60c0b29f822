//! PEER2PEERPUSH.

/// A PEER2PEERPUSH of a key that is not there, with a nested one, sequence 10.
pub const PUSH: &[&str] = &[
    "46 00 00 00 6c 00 00 00 00", // 'F', message of 108 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "ec ff df af e2 e9 c9 fe 37 6d 53 19 7e ac b6 70 f2 8c ba ea", //     computed by Python's hmac
    "3a 4e",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 0a",                      //     sequence 10
    "38 1c",                      //     messageType PEER2PEERPUSH
    "12 42",                      //   body
    "22 40",                      //     p2pOperation
    "0a 0f",                      //       peer
    "0a 09",                      //         hostname, 9 bytes
    "31 32 37 2e 30 2e 30 2e 31", //           "127.0.0.1"
    "10 01",                      //         port 1
    "18 00",                      //         tls false
    "12 2d",                      //       operation
    "1a 07",                      //         key, 7 bytes
    "78 79 7a 74 65 73 74",       //           "xyztest"
    "22 01",                      //         version, 1 byte
    "76",                         //           "v"
    "2a 03",                      //         newKey, 3 bytes
    "6e 65 77",                   //           "new"
    "30 01",                      //         force true
    "42 18",                      //         p2pop
    "0a 0f",                      //           peer
    "0a 09",                      //             hostname, 9 bytes
    "31 32 37 2e 30 2e 30 2e 31", //               "127.0.0.1"
    "10 01",                      //             port 1
    "18 00",                      //             tls false
    "12 05",                      //           operation
    "1a 03",                      //             key, 3 bytes
    "6e 65 77",                   //               "new"
];

/// Its answer.
pub const PUSH_RESPONSE: &[&str] = &[
    "46 00 00 00 ab 00 00 00 00", // 'F', message of 171 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "b0 86 13 cd b7 31 44 eb 20 da 36 4c 8b a4 f3 e3 f7 1a 50 87", //     computed by Python's hmac
    "3a 8c 01",                   // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 0a",                      //     ackSequence 10
    "38 1b",                      //     messageType PEER2PEERPUSH_RESPONSE
    "12 5b",                      //   body
    "22 59",                      //     p2pOperation
    "0a 0f",                      //       peer
    "0a 09",                      //         hostname, 9 bytes
    "31 32 37 2e 30 2e 30 2e 31", //           "127.0.0.1"
    "10 01",                      //         port 1
    "18 00",                      //         tls false
    "12 44",                      //       operation
    "1a 07",                      //         key, 7 bytes
    "78 79 7a 74 65 73 74",       //           "xyztest"
    "22 01",                      //         version, 1 byte
    "76",                         //           "v"
    "2a 03",                      //         newKey, 3 bytes
    "6e 65 77",                   //           "new"
    "30 01",                      //         force true
    "3a 0f",                      //         status
    "08 07",                      //           code NOT_FOUND
    "12 0b",                      //           statusMessage, 11 bytes
    "6e 6f 20 73 75 63 68 20 6b 65 79", //             "no such key"
    "42 1e",                      //         p2pop
    "0a 0f",                      //           peer
    "0a 09",                      //             hostname, 9 bytes
    "31 32 37 2e 30 2e 30 2e 31", //               "127.0.0.1"
    "10 01",                      //             port 1
    "18 00",                      //             tls false
    "12 09",                      //           operation
    "1a 03",                      //             key, 3 bytes
    "6e 65 77",                   //               "new"
    "3a 02",                      //             status
    "08 00",                      //               code NOT_ATTEMPTED
    "18 00",                      //           allChildOperationsSucceeded false
    "18 00",                      //       allChildOperationsSucceeded false
    "1a 25",                      //   status
    "08 11",                      //     code NESTED_OPERATION_ERRORS
    "12 21",                      //     statusMessage, 33 bytes
    "73 6f 6d 65 20 6f 66 20 74 68 65 20 65 6e 74 72 69 65 73 20 77 65 72 65 20 6e 6f 74 20 73 65 6e 74", //       "some of the entries were not sent"
];
