//! Scanning and optimizing the medium.

mod common;

use common::{Client, start_with};
use kinetic_drive::Config;
use kinetic_drive::protocol::{
    Acl, HmacAlgorithm, MessageType, Permission, PowerLevel, Range, Scope, StatusCode,
};

#[test]
fn a_scan_reads_a_range() {
    let drive = start_with(Config::default());
    let mut client = Client::connect(&drive);
    // More than are looked up at a time.
    for number in 0..600 {
        assert_eq!(client.put(format!("{number:03}").as_bytes(), b"value"), StatusCode::Success);
    }
    for range in [
        Range::default(),
        Range { start_key: Some("100".into()), ..Range::default() },
        Range { start_key: Some("5".into()), end_key: Some("1".into()), ..Range::default() },
        Range {
            start_key: Some("599".into()),
            end_key: Some("599".into()),
            start_key_inclusive: Some(true),
            end_key_inclusive: Some(true),
            ..Range::default()
        },
    ] {
        let request = client.builder.media_scan(range.clone());
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::Success);
        assert_eq!(answer.message_type(), MessageType::MediaScanResponse);
        let request = client.builder.media_optimize(range);
        let (answer, _) = client.ask(&request, b"");
        assert_eq!(answer.status(), StatusCode::Success);
        assert_eq!(answer.message_type(), MessageType::MediaOptimizeResponse);
    }
}

/// What the drive says to an identity that has one permission only.
fn with(permission: Permission) -> [StatusCode; 3] {
    let drive = start_with(Config { trust_plain: true, ..Config::default() });
    let mut client = Client::connect(&drive);
    let request = client.builder.set_acls(vec![Acl {
        identity: Some(2),
        key: Some("two".into()),
        hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
        scopes: vec![Scope { permissions: vec![permission.into()], ..Scope::default() }],
        max_priority: None,
    }]);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    client.sign_as(2, b"two");
    let scan = client.builder.media_scan(Range::default());
    let scanned = client.ask(&scan, b"").0.status();
    let optimize = client.builder.media_optimize(Range::default());
    let optimized = client.ask(&optimize, b"").0.status();
    let sleep = client.builder.set_power_level(PowerLevel::Hibernate);
    [scanned, optimized, client.ask(&sleep, b"").0.status()]
}

#[test]
fn each_has_its_permission() {
    let (yes, no) = (StatusCode::Success, StatusCode::NotAuthorized);
    assert_eq!(with(Permission::Range), [yes, yes, no]);
    assert_eq!(with(Permission::PowerManagement), [no, no, yes]);
    assert_eq!(with(Permission::Read), [no, no, no]);
}
