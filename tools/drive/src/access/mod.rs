//! What an identity may do.

mod acl;

use bytes::Bytes;

use crate::protocol::{HmacKey, Permission, Priority};
use crate::secret::Secret;

/// An identity's key and rights.
#[derive(Clone, Debug)]
pub(crate) struct AccessList {
    /// What its requests are signed with.
    pub key: HmacKey,
    /// The same key as it was given, to be kept.
    secret: Secret,
    /// Each gives rights of its own.
    pub scopes: Vec<Grant>,
    /// The highest priority its requests may have.
    pub max_priority: Priority,
}

/// Rights for some keys, or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The bytes that a key must have at `offset`; none are in every key.
    pub value: Bytes,
    pub offset: usize,
    pub permissions: Permissions,
    pub tls_required: bool,
}

/// A set of permissions, one bit for each by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permissions(u16);

impl Permissions {
    /// The bit of number 6 belongs to nothing.
    pub const ALL: Self = Self(0b111_1011_1111);

    pub fn insert(&mut self, permission: Permission) {
        self.0 |= Self::bit(permission);
    }

    pub fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    /// All of them, by number.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        let known = (0..u16::BITS as i32).filter_map(|number| Permission::try_from(number).ok());
        known.filter(move |&permission| self.contains(permission))
    }

    /// No bit for [`Permission::Invalid`], whose number is negative.
    fn bit(permission: Permission) -> u16 {
        u32::try_from(permission as i32).ok().and_then(|number| 1_u16.checked_shl(number)).unwrap_or(0)
    }
}

impl AccessList {
    pub fn new(key: Bytes, scopes: Vec<Grant>, max_priority: Priority) -> Self {
        Self { key: HmacKey::new(&key), secret: Secret::new(key), scopes, max_priority }
    }

    /// All rights.
    pub fn everything(key: Bytes) -> Self {
        let all =
            Grant { value: Bytes::new(), offset: 0, permissions: Permissions::ALL, tls_required: false };
        Self::new(key, vec![all], Priority::Highest)
    }

    /// Whether `permission` is given for a request that is about no key, or
    /// about this one. `secure` is whether it came over TLS.
    pub fn allows(&self, permission: Permission, key: Option<&[u8]>, secure: bool) -> bool {
        self.scopes.iter().any(|scope| {
            scope.permissions.contains(permission)
                && (secure || !scope.tls_required)
                && key.is_none_or(|key| scope.covers(key))
        })
    }
}

impl Grant {
    fn covers(&self, key: &[u8]) -> bool {
        self.value.is_empty() || key.get(self.offset..).is_some_and(|rest| rest.starts_with(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &'static [u8], offset: usize, permission: Permission, tls_required: bool) -> AccessList {
        let mut permissions = Permissions::default();
        permissions.insert(permission);
        let value = Bytes::from_static(value);
        let scopes = vec![Grant { value, offset, permissions, tls_required }];
        AccessList::new(Bytes::new(), scopes, Priority::Highest)
    }

    #[test]
    fn all_is_every_permission() {
        let all = AccessList::everything(Bytes::new());
        for number in (0..=10).filter(|&number| number != 6) {
            let permission = Permission::try_from(number).unwrap();
            assert!(all.allows(permission, Some(b"key"), false));
        }
        assert!(!all.allows(Permission::Invalid, None, true));
    }

    #[test]
    fn a_permission_is_no_other() {
        let list = list(b"", 0, Permission::Read, false);
        assert!(list.allows(Permission::Read, Some(b"key"), false));
        assert!(!list.allows(Permission::Write, Some(b"key"), false));
    }

    #[test]
    fn a_scope_covers_keys_with_its_value_at_its_offset() {
        let list = list(b"test", 3, Permission::Write, false);
        let may = |key: &[u8]| list.allows(Permission::Write, Some(key), false);
        assert!(may(b"xyztest1"));
        assert!(may(b"001test"));
        assert!(!may(b"test123"));
        assert!(!may(b"1234test"));
        assert!(!may(b"001tes"));
        assert!(!may(b"00"));
        assert!(list.allows(Permission::Write, None, false));
    }

    #[test]
    fn some_scopes_need_tls() {
        let list = list(b"", 0, Permission::Security, true);
        assert!(!list.allows(Permission::Security, None, false));
        assert!(list.allows(Permission::Security, None, true));
    }
}
