//! Access control lists as the protocol has them, in and out.

use bytes::Bytes;

use super::{AccessList, Grant, Permissions};
use crate::config::Bounds;
use crate::operations::Failure;
use crate::protocol::{Acl, HmacAlgorithm, Permission, Priority, Scope, StatusCode};

impl AccessList {
    /// The identity a list is for, and the list, if it makes sense.
    pub fn from_acl(acl: Acl, bounds: &Bounds) -> Result<(i64, Self), Failure> {
        let Some(identity) = acl.identity else {
            return Err(Failure::invalid("an access control list without an identity"));
        };
        let invalid = |what: &str| Failure::invalid(format!("identity {identity}: {what}"));
        if acl.hmac_algorithm.map(HmacAlgorithm::try_from) != Some(Ok(HmacAlgorithm::HmacSha1)) {
            return Err(Failure::new(
                StatusCode::NoSuchHmacAlgorithm,
                format!("identity {identity}: the only algorithm is HmacSHA1"),
            ));
        }
        let key = acl.key.filter(|key| !key.is_empty()).ok_or_else(|| invalid("a key is required"))?;
        // A number that is no priority must not be taken for the default.
        let max_priority = match acl.max_priority.map(Priority::try_from) {
            None => Priority::default(),
            Some(Ok(priority)) => priority,
            Some(Err(_)) => return Err(invalid("the highest priority is none")),
        };
        if acl.scopes.is_empty() {
            return Err(invalid("a scope is required"));
        }
        let scopes = acl.scopes.into_iter().map(|scope| Grant::from_scope(scope, bounds));
        let scopes = scopes.collect::<Result<_, _>>().map_err(invalid)?;
        Ok((identity, Self::new(key, scopes, max_priority)))
    }

    /// The list as it would be sent to set it.
    pub fn to_acl(&self, identity: i64) -> Acl {
        Acl {
            identity: Some(identity),
            key: Some(self.secret.reveal().clone()),
            hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
            scopes: self.scopes.iter().map(Grant::to_scope).collect(),
            max_priority: Some(self.max_priority.into()),
        }
    }
}

impl Grant {
    fn from_scope(scope: Scope, bounds: &Bounds) -> Result<Self, &'static str> {
        let offset = usize::try_from(scope.offset()).ok().filter(|&offset| offset <= bounds.max_key_size);
        let offset = offset.ok_or("the offset of a scope is larger than any key")?;
        let mut permissions = Permissions::default();
        for &number in &scope.permissions {
            match Permission::try_from(number) {
                Ok(Permission::Invalid) | Err(_) => return Err("unknown permission"),
                Ok(permission) => permissions.insert(permission),
            }
        }
        if permissions == Permissions::default() {
            return Err("a scope without a permission");
        }
        let tls_required = scope.tls_required();
        Ok(Self { value: scope.value.unwrap_or_default(), offset, permissions, tls_required })
    }

    fn to_scope(&self) -> Scope {
        Scope {
            offset: Some(self.offset as u64),
            value: Some(self.value.clone()).filter(|value: &Bytes| !value.is_empty()),
            permissions: self.permissions.iter().map(i32::from).collect(),
            tls_required: Some(self.tls_required),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::protocol::HmacKey;

    fn bounds() -> Bounds {
        Bounds::new(&Config::default())
    }

    fn acl() -> Acl {
        Acl {
            identity: Some(-3),
            key: Some("secret".into()),
            hmac_algorithm: Some(HmacAlgorithm::HmacSha1.into()),
            scopes: vec![
                Scope {
                    offset: Some(4096),
                    value: Some("test".into()),
                    permissions: vec![Permission::Read.into(), Permission::ManageApplet.into()],
                    tls_required: Some(true),
                },
                Scope {
                    offset: Some(0),
                    value: None,
                    permissions: vec![Permission::Write.into()],
                    tls_required: Some(false),
                },
            ],
            max_priority: Some(Priority::Low.into()),
        }
    }

    fn refused(change: impl FnOnce(&mut Acl)) -> StatusCode {
        let mut acl = acl();
        change(&mut acl);
        AccessList::from_acl(acl, &bounds()).unwrap_err().code
    }

    #[test]
    fn a_list_comes_out_as_it_went_in() {
        let (identity, list) = AccessList::from_acl(acl(), &bounds()).unwrap();
        assert_eq!(identity, -3);
        assert_eq!(list.key.sign(b"command"), HmacKey::new(b"secret").sign(b"command"));
        assert_eq!(list.to_acl(-3), acl());
        assert!(!format!("{list:?}").contains("secret\""));
    }

    #[test]
    fn every_right_comes_out_as_it_went_in() {
        let all = AccessList::everything(Bytes::from_static(b"key"));
        let (_, again) = AccessList::from_acl(all.to_acl(1), &bounds()).unwrap();
        assert_eq!(again.scopes, all.scopes);
        assert_eq!(again.max_priority, all.max_priority);
        assert_eq!(all.to_acl(1).scopes[0].permissions, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]);
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let (_, list) = AccessList::from_acl(
            Acl {
                max_priority: None,
                scopes: vec![Scope { permissions: vec![Permission::Read.into()], ..Scope::default() }],
                ..acl()
            },
            &bounds(),
        )
        .unwrap();
        assert_eq!(list.max_priority, Priority::Normal);
        assert!(list.allows(Permission::Read, Some(b"any"), false));
    }

    #[test]
    fn nonsense_is_refused() {
        let invalid = StatusCode::InvalidRequest;
        assert_eq!(refused(|acl| acl.identity = None), invalid);
        assert_eq!(refused(|acl| acl.key = None), invalid);
        assert_eq!(refused(|acl| acl.key = Some("".into())), invalid);
        assert_eq!(refused(|acl| acl.max_priority = Some(0)), invalid);
        assert_eq!(refused(|acl| acl.max_priority = Some(10)), invalid);
        assert_eq!(refused(|acl| acl.scopes.clear()), invalid);
        assert_eq!(refused(|acl| acl.scopes[1].permissions.clear()), invalid);
        for number in [-1, 6, 11, 99] {
            assert_eq!(refused(|acl| acl.scopes[0].permissions.push(number)), invalid);
        }
        for offset in [4097, u64::MAX] {
            assert_eq!(refused(|acl| acl.scopes[1].offset = Some(offset)), invalid);
        }
        for algorithm in [None, Some(-1), Some(0), Some(2)] {
            assert_eq!(refused(|acl| acl.hmac_algorithm = algorithm), StatusCode::NoSuchHmacAlgorithm);
        }
    }
}
