//! Reads and damages the contents of an etcd.

use serde_json::{Value, json};

use super::super::Server;
use super::Etcd;

/// A removed key, with its value in the gateway's encoding.
#[derive(Debug)]
pub struct Taken {
    key: String,
    value: Value,
}

impl Server<Etcd> {
    /// Deletes a key, and returns it for [`Server::restore`].
    ///
    /// # Panics
    /// When the server refuses, or the key does not exist.
    pub async fn take(&self, key: &str) -> Taken {
        let key = base64(key.as_bytes());
        let read = self.call("/v3/kv/range", json!({"key": key})).await;
        let value = read["kvs"][0]["value"].clone();
        assert!(value.is_string(), "no such key: {read}");
        self.call("/v3/kv/deleterange", json!({"key": key})).await;
        Taken { key, value }
    }

    /// Restores a key, as an operator would.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn restore(&self, taken: &Taken) {
        let put = json!({"key": taken.key, "value": taken.value});
        self.call("/v3/kv/put", put).await;
    }

    /// Writes a key behind the back of the collectors that share the server.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn put(&self, key: &str, value: &[u8]) {
        let put = json!({"key": base64(key.as_bytes()), "value": base64(value)});
        self.call("/v3/kv/put", put).await;
    }

    /// Whether a key has this value.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn holds(&self, key: &str, value: &[u8]) -> bool {
        let range = json!({"key": base64(key.as_bytes())});
        let read = self.call("/v3/kv/range", range).await;
        read["kvs"][0]["value"] == base64(value)
    }

    /// Deletes a key.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn delete(&self, key: &str) {
        let delete = json!({"key": base64(key.as_bytes())});
        self.call("/v3/kv/deleterange", delete).await;
    }

    /// The number of keys with this prefix.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn count(&self, prefix: &str) -> u64 {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let range = json!({
            "key": base64(prefix.as_bytes()),
            "range_end": base64(&end),
            "count_only": true,
        });
        let answer = self.call("/v3/kv/range", range).await;
        number(&answer["count"])
    }

    /// The used bytes of the server's database, including its history.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn bytes_in_use(&self) -> u64 {
        let status = self.call("/v3/maintenance/status", json!({})).await;
        number(&status["dbSizeInUse"])
    }
}

/// Parses a number, which the gateway writes as text and omits if it is 0.
fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or("0");
    text.parse().expect("a number")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..three.len()].copy_from_slice(three);
        let [a, b, c] = group.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).expect("six bits");
            let is_padding = place > three.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
