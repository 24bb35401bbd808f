//! Where a lock of the C library lies in a region, and who vouches for those who may write there.

use crate::error::{Error, ErrorKind, Result};
use crate::region::Region;
use strait_mem::{Trust, ViewMut};

/// A window of `len` bytes, and the trust that a lock there needs.
pub(super) fn window(
    region: &Region,
    offset: u64,
    len: usize,
    trust: Option<Trust>,
    what: &str,
) -> Result<(ViewMut, Trust)> {
    let window = region.view_mut(offset..offset.saturating_add(len as u64))?;
    let Some(trust) = trust.or(region.trust()?) else {
        let why = format!(
            "use a {what} of the C library in {}: others than this user may write there, and it would believe them; vouch for them with a Trust",
            region.place()
        );
        return Err(Error::new(ErrorKind::Permission, why));
    };
    Ok((window, trust))
}

/// It would not be aligned there.
pub(super) fn misaligned(region: &Region, offset: u64, what: &str) -> Error {
    let why = format!("use a {what} at byte {offset} of {}: the offset must be a multiple of 8", region.place());
    Error::new(ErrorKind::Usage, why)
}
