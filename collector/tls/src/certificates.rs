//! The certificate in use, and its replacement while the collector runs.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use tokio::{
    sync::Notify,
    task,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Error,
    expiry::{self, Validity},
    files::{Contents, Files, Parsed},
    settings,
};

/// A certificate that expires within this time is reported: 14 days, in seconds.
pub const SOON: i64 = 14 * 24 * 3600;

/// The certificate of this collector. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    files: Files,
    current: ArcSwap<Current>,
    exchanged: AtomicU64,
    refused: AtomicU64,
}

/// The settings from one version of the files.
struct Current {
    contents: Contents,
    server: Arc<ServerConfig>,
    /// The settings of a server that requires client certificates; `None` without authorities.
    mutual: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
    validity: Validity,
}

/// Whether clients must present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Any client may connect.
    Any,
    /// Only clients with a certificate that a trusted authority signed.
    Certified,
}

/// The outcome of reading the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The files have not changed.
    None,
    /// New handshakes use another certificate or other authorities.
    Exchanged,
}

impl Certificates {
    /// Reads the files for the first time. Blocks. Accepts a certificate that has expired or is not valid yet, because the
    /// listeners have no other certificate.
    ///
    /// # Errors
    /// The files are unusable.
    pub fn load(files: Files) -> Result<Self, Error> {
        let contents = files.read()?;
        let current = ArcSwap::from_pointee(Current::new(&files, contents)?);
        Ok(Self(Arc::new(Shared {
            files,
            current,
            exchanged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })))
    }

    /// The settings of a server for its next handshake. `None` if clients need a certificate and no authority is trusted.
    #[must_use]
    pub fn server(&self, clients: Clients) -> Option<Arc<ServerConfig>> {
        let current = self.0.current.load();
        match clients {
            Clients::Any => Some(Arc::clone(&current.server)),
            Clients::Certified => current.mutual.clone(),
        }
    }

    /// The settings of an HTTP/2 client for its next handshake. `None` without a trusted authority.
    #[must_use]
    pub fn client(&self) -> Option<Arc<ClientConfig>> {
        self.0.current.load().client.clone()
    }

    /// When the certificate in use expires, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.validity().expires
    }

    fn validity(&self) -> Validity {
        self.0.current.load().validity
    }

    /// The number of times that the certificate was exchanged, and the number of times that new files were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.0.exchanged.load(Relaxed), self.0.refused.load(Relaxed))
    }

    /// Reads the files again, and uses them if they are valid and have changed. Blocks.
    ///
    /// # Errors
    /// The files are unusable, or contain a certificate that is not valid at `now`. The certificate in use stays.
    pub fn refresh(&self, now: i64) -> Result<Change, Error> {
        let files = &self.0.files;
        let contents = files.read()?;
        if self.0.current.load().contents == contents {
            return Ok(Change::None);
        }
        let current = Current::new(files, contents)?;
        let Validity { begins, expires } = current.validity;
        let path = || files.cert_chain.clone();
        if expires <= now {
            let at = expiry::print(expires);
            return Err(Error::Expired { path: path(), at });
        }
        if begins > now {
            let at = expiry::print(begins);
            return Err(Error::NotYetValid { path: path(), at });
        }
        self.0.current.store(Arc::new(current));
        self.0.exchanged.fetch_add(1, Relaxed);
        Ok(Change::Exchanged)
    }

    /// Reads the files again after every `interval`, and at each signal of `reload`, until `stop`. `wall` is the wall clock in
    /// seconds since 1970. `report` receives a reason while the certificate expires soon or is not valid yet, or new files are
    /// refused.
    pub async fn keep(
        self,
        interval: Duration,
        reload: Arc<Notify>,
        wall: impl Fn() -> i64 + Send,
        report: impl Fn(Option<String>) + Send,
        stop: CancellationToken,
    ) {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keeper = Keeper::default();
        report(keeper.reason(self.validity(), wall()));
        loop {
            let is_requested = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = reload.notified() => true,
                _ = ticks.tick() => false,
            };
            let (this, now) = (self.clone(), wall());
            let refreshed = tokio::select! {
                biased;
                () = stop.cancelled() => return, // the file system may hang
                refreshed = task::spawn_blocking(move || this.refresh(now)) => refreshed,
            };
            match refreshed {
                Ok(outcome) => self.record(outcome, is_requested, &mut keeper),
                Err(panic) => error!(%panic, "the certificate could not be read again"),
            }
            report(keeper.reason(self.validity(), now));
        }
    }

    /// Reports the outcome of a refresh. Files that stay unusable are reported once.
    fn record(&self, outcome: Result<Change, Error>, is_requested: bool, keeper: &mut Keeper) {
        match outcome {
            Ok(change) => {
                keeper.refused = None;
                let expires = expiry::print(self.expires());
                match change {
                    Change::Exchanged => {
                        info!(%expires, "certificate exchanged, new connections use it");
                    }
                    Change::None if is_requested => {
                        info!(%expires, "the certificate has not changed")
                    }
                    Change::None => {}
                }
            }
            Err(error) => {
                let reason = error.to_string();
                if is_requested || keeper.refused.as_ref() != Some(&reason) {
                    self.0.refused.fetch_add(1, Relaxed);
                    let expires = expiry::print(self.expires());
                    warn!(%reason, %expires, "new certificate files refused, the certificate in use stays");
                }
                keeper.refused = Some(reason);
            }
        }
    }
}

/// The problems that [`Certificates::keep`] has reported.
#[derive(Debug, Default)]
struct Keeper {
    refused: Option<String>,
    /// The expiry of the certificate in use, if it was warned about.
    warned: Option<i64>,
}

impl Keeper {
    /// The reason why an operator must act; `None` if there is none. Warns once about each certificate that expires soon or is not
    /// valid yet.
    fn reason(&mut self, validity: Validity, now: i64) -> Option<String> {
        let Validity { begins, expires } = validity;
        let at = expiry::print(expires);
        let expiring = match expires - now {
            left if left <= 0 => Some(format!("the certificate of this collector expired at {at}")),
            left if left <= SOON => {
                Some(format!("the certificate of this collector expires at {at}"))
            }
            _ if begins > now => Some(format!(
                "the certificate of this collector is not valid before {}",
                expiry::print(begins)
            )),
            _ => None,
        };
        match &expiring {
            None => self.warned = None,
            Some(reason) if self.warned != Some(expires) => {
                self.warned = Some(expires);
                warn!("{reason}: replace its files");
            }
            Some(_) => {}
        }
        let refused = self.refused.as_ref();
        let refused =
            refused.map(|reason| format!("the new certificate files are refused: {reason}"));
        match (expiring, refused) {
            (Some(expiring), Some(refused)) => Some(format!("{expiring}; {refused}")),
            (expiring, refused) => expiring.or(refused),
        }
    }
}

impl Current {
    fn new(files: &Files, contents: Contents) -> Result<Self, Error> {
        let parsed = files.parse(&contents)?;
        let unusable = |reason: String| Error::Unusable {
            path: files.cert_chain.clone(),
            reason,
        };
        let validity = parsed.chain.first().and_then(|own| expiry::validity(own));
        let validity =
            validity.ok_or_else(|| unusable("it states no end of its validity".to_owned()))?;
        let server = settings::server(&parsed, None).map_err(unusable)?;
        let Parsed { chain, key, roots } = &parsed;
        let (mutual, client) = match roots {
            None => (None, None),
            Some(roots) => {
                let identity = Some((chain.clone(), key.clone_key()));
                let mutual = settings::server(&parsed, Some(roots)).map_err(unusable)?;
                let client = settings::http2_client(roots.clone(), identity).map_err(unusable)?;
                (Some(Arc::new(mutual)), Some(Arc::new(client)))
            }
        };
        Ok(Self {
            contents,
            server: Arc::new(server),
            mutual,
            client,
            validity,
        })
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("files", &self.0.files)
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}
