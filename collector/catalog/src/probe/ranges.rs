//! Ranges of addresses.

use std::{fmt, net::IpAddr, str::FromStr};

/// A range of addresses, as `10.0.0.0/8` or `fc00::/7`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u8,
}

/// A text that is not a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRange {
    /// The text.
    pub given: String,
}

impl Range {
    /// The private ranges of IPv4 and IPv6, and loopback. Link-local addresses are excluded, because the instance metadata
    /// services of clouds use them.
    #[must_use]
    pub fn private() -> Vec<Self> {
        [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "127.0.0.0/8",
            "::1/128",
            "fc00::/7",
        ]
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
    }

    /// Whether an address is in the range. An IPv4 address in IPv6 notation is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                let cut = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                cut(base.to_bits()) == cut(address.to_bits())
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(base.to_bits()) == cut(address.to_bits())
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let bad = || BadRange {
            given: text.to_owned(),
        };
        let (base, prefix) = text.split_once('/').unzip();
        let base: IpAddr = base.unwrap_or(text).parse().ok().ok_or_else(bad)?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(longest), str::parse)
            .ok()
            .ok_or_else(bad)?;
        if prefix > longest {
            return Err(bad());
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a range of addresses: write an address, or one with a prefix such as 10.0.0.0/8",
            self.given
        )
    }
}

impl std::error::Error for BadRange {}
