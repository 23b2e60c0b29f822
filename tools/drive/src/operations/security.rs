//! Setting access control lists and PINs.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Done, Failure, Request};
use crate::access::AccessList;
use crate::config::Bounds;
use crate::protocol::{Permission, Security, SecurityType, StatusCode};
use crate::secret::Secret;

/// How many scopes an access control list can have.
const MOST_SCOPES: usize = 64;

/// One of the two PINs, as it was and as it shall be.
struct NewPin {
    old: Option<Bytes>,
    new: Option<Bytes>,
}

pub(super) fn security(mut request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::Security, None)?;
    if !request.secure {
        return Err(Failure::new(
            StatusCode::NotAuthorized,
            "keys and PINs are for TLS only, or for a drive that is run with --trust-plain",
        ));
    }
    let security = request.body.security.take().map(|security| *security).unwrap_or_default();
    match what(&security)? {
        SecurityType::Acl => set_acls(&request, security),
        SecurityType::LockPin => {
            set_lock_pin(&request, NewPin { old: security.old_lock_pin, new: security.new_lock_pin })
        }
        SecurityType::ErasePin => {
            set_erase_pin(&request, NewPin { old: security.old_erase_pin, new: security.new_erase_pin })
        }
        SecurityType::Invalid => Err(Failure::invalid("unknown security operation")),
    }
}

/// What is to be set. Clients of protocol 3.1 do not say it, so that it has to
/// be seen from the fields that are there.
fn what(security: &Security) -> Result<SecurityType, Failure> {
    let mut given = Vec::new();
    if !security.acls.is_empty() {
        given.push(SecurityType::Acl);
    }
    if security.old_lock_pin.is_some() || security.new_lock_pin.is_some() {
        given.push(SecurityType::LockPin);
    }
    if security.old_erase_pin.is_some() || security.new_erase_pin.is_some() {
        given.push(SecurityType::ErasePin);
    }
    let named = match security.security_type.map(SecurityType::try_from) {
        None => None,
        Some(Ok(named)) => Some(named),
        Some(Err(_)) => return Err(Failure::invalid("unknown security operation")),
    };
    match (named, &given[..]) {
        (None, []) => Err(Failure::invalid("nothing to set")),
        (None, &[only]) => Ok(only),
        (Some(named), given) if given.iter().all(|&other| other == named) => Ok(named),
        // Doing a part of what is asked for would be worse than nothing.
        _ => Err(Failure::invalid("access control lists and PINs have to be set one by one")),
    }
}

fn set_acls(request: &Request<'_>, security: Security) -> Result<Done, Failure> {
    let bounds = &request.device.bounds;
    let count = security.acls.len();
    if count == 0 {
        return Err(Failure::invalid("at least one access control list is required"));
    }
    if count > bounds.max_identity_count {
        return Err(Failure::invalid(format!(
            "{count} identities exceed the limit of {}",
            bounds.max_identity_count
        )));
    }
    let mut identities = HashMap::with_capacity(count);
    for acl in security.acls {
        // Each request of the identity goes through them.
        let scopes = acl.scopes.len();
        if scopes > MOST_SCOPES {
            return Err(Failure::invalid(format!("{scopes} scopes exceed the limit of {MOST_SCOPES}")));
        }
        let (identity, list) = AccessList::from_acl(acl, bounds)?;
        if identities.insert(identity, list).is_some() {
            return Err(Failure::invalid(format!("identity {identity} is there twice")));
        }
    }
    request.device.change_settings(request.settings, |settings| settings.set_identities(identities))?;
    log::info!("{count} access control lists set");
    Ok(Done::default())
}

fn set_lock_pin(request: &Request<'_>, pin: NewPin) -> Result<Done, Failure> {
    let new = pin.check(&request.settings.lock_pin, &request.device.bounds)?;
    request.device.change_settings(request.settings, |settings| settings.lock_pin = new)?;
    log::info!("lock PIN set");
    Ok(Done::default())
}

fn set_erase_pin(request: &Request<'_>, pin: NewPin) -> Result<Done, Failure> {
    let new = pin.check(&request.settings.erase_pin, &request.device.bounds)?;
    request.device.change_settings(request.settings, |settings| settings.erase_pin = new)?;
    log::info!("erase PIN set");
    Ok(Done::default())
}

impl NewPin {
    /// The new PIN, provided that the old one is right.
    fn check(self, stored: &Secret, bounds: &Bounds) -> Result<Secret, Failure> {
        // A client that knows of no PIN yet may leave the old one out.
        if !stored.is(self.old.as_deref().unwrap_or(b"")) {
            return Err(Failure::new(StatusCode::NotAuthorized, "the old PIN is wrong"));
        }
        let new = self.new.ok_or_else(|| Failure::invalid("a new PIN is required"))?;
        if new.len() > bounds.max_pin_size {
            let reason = format!("PIN of {} bytes exceeds the limit of {}", new.len(), bounds.max_pin_size);
            return Err(Failure::invalid(reason));
        }
        Ok(Secret::new(new))
    }
}
