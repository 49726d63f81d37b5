//! Rules on the access to the admin face.

use super::{is_loopback, rule};
use crate::config::Config;
use crate::config::error::Broken;

/// The shortest password, in bytes.
const MIN_PASSWORD: usize = 12;

/// Callers must authenticate, unless they are on this machine or the configuration allows anonymous callers.
pub(super) fn access(config: &Config) -> Broken {
    let ui = &config.ui;
    let mut broken = Broken::new();
    let password = ui.password.expose();
    if ui.user.is_empty() != password.is_empty() {
        let keys = ["ui.jetty.user", "ui.jetty.password"];
        broken.push(rule(&keys, "needs user and password together"));
    } else if ui.user.contains(':') {
        let message = "a name with a colon cannot be sent by browsers";
        broken.push(rule(&["ui.jetty.user"], message));
    } else if !password.is_empty() && password.len() < MIN_PASSWORD {
        let bytes = password.len();
        let message = format!("has {bytes} bytes; at least {MIN_PASSWORD} are needed");
        broken.push(rule(&["ui.jetty.password"], message));
    }
    let is_open = ui.token.expose().is_empty() && ui.user.is_empty();
    if is_open && !ui.allow_anonymous && !is_loopback(&ui.listen.host) {
        let host = &ui.listen.host;
        let message = format!(
            "without a token every caller that reaches {host} may read the roster and change it: set token \
             (SW_UI_JETTY_TOKEN) or user and password (SW_UI_JETTY_USER, SW_UI_JETTY_PASSWORD), keep the face on this \
             machine (SW_UI_JETTY_HOST=127.0.0.1 with a port of its own, SW_UI_JETTY_PORT), or set allow_anonymous: true \
             (SW_UI_JETTY_ALLOW_ANONYMOUS) where the network is closed"
        );
        let keys = ["ui.jetty.host", "ui.jetty.token"];
        broken.push(rule(&keys, message));
    }
    broken
}
