//! SECURITY.

/// A SECURITY with a lock PIN, sequence 1, as libkinetic sends it.
pub const SET_LOCK_PIN: &[&str] = &[
    "46 00 00 00 36 00 00 00 00", // 'F', message of 54 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "43 71 c5 2d ce 48 ee cf e5 a9 b7 a9 91 83 1e 91 cc 71 54 3f", //     computed by Python's hmac
    "3a 18",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 01",                      //     sequence 1
    "38 1a",                      //     messageType SECURITY
    "12 0c",                      //   body
    "3a 0a",                      //     security
    "1a 00",                      //       oldLockPIN, 0 bytes
    "22 04",                      //       newLockPIN, 4 bytes
    "31 32 33 34",                //         "1234"
    "38 03",                      //       securityOpType LOCK_PIN_SECURITYOP
];

/// Its answer.
pub const SET_LOCK_PIN_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "15 79 ee 20 f6 14 f7 41 4c 7b 2e 91 59 28 f2 b9 62 e8 f8 81", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 01",                      //     ackSequence 1
    "38 19",                      //     messageType SECURITY_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];

/// A SECURITY with an erase PIN, sequence 2, but a wrong old one.
pub const SET_ERASE_PIN: &[&str] = &[
    "46 00 00 00 37 00 00 00 00", // 'F', message of 55 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "a9 6e 03 56 0e 4e 7b ea 51 d3 95 b5 75 24 6a 06 96 54 f1 bf", //     computed by Python's hmac
    "3a 19",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 02",                      //     sequence 2
    "38 1a",                      //     messageType SECURITY
    "12 0d",                      //   body
    "3a 0b",                      //     security
    "2a 01",                      //       oldErasePIN, 1 byte
    "30",                         //         "0"
    "32 04",                      //       newErasePIN, 4 bytes
    "35 36 37 38",                //         "5678"
    "38 02",                      //       securityOpType ERASE_PIN_SECURITYOP
];

/// Its answer.
pub const SET_ERASE_PIN_RESPONSE: &[&str] = &[
    "46 00 00 00 40 00 00 00 00", // 'F', message of 64 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "ab ed 39 15 f6 04 b6 f9 65 74 7c fa 29 c1 84 0c 58 3d fe 53", //     computed by Python's hmac
    "3a 22",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 02",                      //     ackSequence 2
    "38 19",                      //     messageType SECURITY_RESPONSE
    "1a 18",                      //   status
    "08 03",                      //     code NOT_AUTHORIZED
    "12 14",                      //     statusMessage, 20 bytes
    "74 68 65 20 6f 6c 64 20 50 49 4e 20 69 73 20 77 72 6f 6e 67", //       "the old PIN is wrong"
];

/// A SECURITY with an access control list, sequence 3. Permissions are not packed.
pub const SET_ACLS: &[&str] = &[
    "46 00 00 00 5e 00 00 00 00", // 'F', message of 94 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "c6 84 48 35 03 56 8a 10 29 ac 24 aa 32 a7 bb 42 5e b4 5b 73", //     computed by Python's hmac
    "3a 40",                      // commandBytes
    "0a 08",                      //   header
    "08 00",                      //     clusterVersion 0
    "18 01",                      //     connectionID 1
    "20 03",                      //     sequence 3
    "38 1a",                      //     messageType SECURITY
    "12 34",                      //   body
    "3a 32",                      //     security
    "12 2e",                      //       acl
    "08 01",                      //         identity 1
    "12 08",                      //         key, 8 bytes
    "61 73 64 66 61 73 64 66",    //           "asdfasdf"
    "18 01",                      //         hmacAlgorithm HmacSHA1
    "22 0e",                      //         scope
    "08 03",                      //           offset 3
    "12 04",                      //           value, 4 bytes
    "74 65 73 74",                //             "test"
    "18 00",                      //           permission READ
    "18 01",                      //           permission WRITE
    "20 00",                      //           TlsRequired false
    "22 0c",                      //         scope
    "18 08",                      //           permission SECURITY
    "18 07",                      //           permission GETLOG
    "18 04",                      //           permission SETUP
    "18 03",                      //           permission RANGE
    "18 09",                      //           permission POWER_MANAGEMENT
    "18 05",                      //           permission P2POP
    "28 09",                      //         maxPriority HIGHEST
    "38 01",                      //       securityOpType ACL_SECURITYOP
];

/// Its answer.
pub const SET_ACLS_RESPONSE: &[&str] = &[
    "46 00 00 00 2a 00 00 00 00", // 'F', message of 42 bytes, value of 0
    "20 01",                      // authType HMACAUTH
    "2a 18",                      // hmacAuth
    "08 01",                      //   identity 1
    "12 14",                      //   HMAC, 20 bytes
    "93 37 f2 03 60 96 c3 6a 45 0c 92 00 16 2a 00 d6 f8 d7 7f 3e", //     computed by Python's hmac
    "3a 0c",                      // commandBytes
    "0a 06",                      //   header
    "18 01",                      //     connectionID 1
    "30 03",                      //     ackSequence 3
    "38 19",                      //     messageType SECURITY_RESPONSE
    "1a 02",                      //   status
    "08 01",                      //     code SUCCESS
];
