use std::{fs, io, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::CertificateError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    testing::{Authority, Request},
    *,
};

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;
/// 2090-01-01.
const FAR: i64 = 3_786_912_000;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_end_of_a_certificate_is_read_in_both_forms() {
    let authority = Authority::new("a");
    for (year, expected) in [(2026, NOW), (2049, 2_493_072_000), (2090, FAR)] {
        let signed = authority.sign(&Request {
            expires: year,
            ..Request::default()
        });
        let dir = directory();
        let files = signed.write(dir.path(), &authority.pem()).unwrap();
        assert_eq!(Certificates::load(files).unwrap().expires(), expected);
    }
}

#[test]
fn bytes_that_are_not_a_certificate_have_no_expiry() {
    for bytes in [
        &b""[..],
        b"\x30",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x83\xff\xff\xff",
        b"\x30\x02\x30\x00",
        b"\x30\x04\x30\x02\xa0\x00",
        &[0x30; 64],
        &[0xff; 64],
    ] {
        assert_eq!(expiry::validity(bytes), None, "{bytes:?}");
    }
}

#[test]
fn unusable_files_are_named_with_the_reason() {
    let dir = directory();
    let files = Authority::new("a").write(dir.path()).unwrap();
    let good = |path: &Path| fs::read(path).unwrap();
    let (certificate, key) = (good(&files.cert_chain), good(&files.key));
    let other = Authority::new("b").sign(&Request::default());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases: [(&Path, &[u8], &str); 6] = [
        (
            &files.cert_chain,
            b"",
            "server.crt holds no certificate in PEM format",
        ),
        (
            &files.cert_chain,
            &key,
            "server.crt holds no certificate in PEM format",
        ),
        (
            &files.key,
            &certificate,
            "server.key holds no private key in PEM format",
        ),
        (&files.key, encrypted.as_bytes(), "server.key is encrypted"),
        (
            &files.key,
            other.key.as_bytes(),
            "server.crt cannot be used",
        ),
        (
            &files.trusted_ca,
            b"none",
            "ca.crt holds no certificate in PEM format",
        ),
    ];
    for (path, contents, expected) in cases {
        let before = good(path);
        fs::write(path, contents).unwrap();
        let error = Certificates::load(files.clone()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        fs::write(path, before).unwrap();
    }
    fs::remove_file(&files.key).unwrap();
    let error = Certificates::load(files.clone()).unwrap_err().to_string();
    assert!(error.contains("server.key cannot be read"), "{error}");
    fs::write(&files.key, vec![b'x'; (1 << 20) + 1]).unwrap();
    let error = Certificates::load(files).unwrap_err().to_string();
    assert!(error.contains("more than 1048576 bytes"), "{error}");
}

#[test]
fn a_bad_or_expired_new_certificate_keeps_the_one_in_use() {
    let (dir, authority) = (directory(), Authority::new("a"));
    let certificates = Certificates::load(authority.write(dir.path()).unwrap()).unwrap();
    assert_eq!(certificates.refresh(NOW).unwrap(), Change::None);
    let before = certificates.server(Clients::Any).unwrap();

    fs::write(dir.path().join("server.crt"), "no certificate").unwrap();
    certificates.refresh(NOW).unwrap_err();
    let expired = authority.sign(&Request {
        expires: 2020,
        ..Request::default()
    });
    expired.write(dir.path(), &authority.pem()).unwrap();
    let error = certificates.refresh(NOW).unwrap_err().to_string();
    assert!(
        error.ends_with("expired at 2020-01-01T00:00:00Z"),
        "{error}"
    );
    let early = authority.sign(&Request {
        begins: 2027,
        ..Request::default()
    });
    early.write(dir.path(), &authority.pem()).unwrap();
    let error = certificates.refresh(NOW).unwrap_err().to_string();
    assert!(
        error.ends_with("not valid before 2027-01-01T00:00:00Z"),
        "{error}"
    );
    let after = certificates.server(Clients::Any).unwrap();
    assert!(Arc::ptr_eq(&before, &after));
    assert_eq!(certificates.expires(), FAR);

    let next = authority.sign(&Request {
        expires: 2049,
        ..Request::default()
    });
    next.write(dir.path(), &authority.pem()).unwrap();
    assert_eq!(certificates.refresh(NOW).unwrap(), Change::Exchanged);
    assert_eq!(certificates.expires(), 2_493_072_000);
    let after = certificates.server(Clients::Any).unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
}

#[tokio::test]
async fn a_file_system_that_hangs_does_not_hold_up_a_stop() {
    let (dir, authority) = (directory(), Authority::new("a"));
    let files = authority.write(dir.path()).unwrap();
    let certificates = Certificates::load(files.clone()).unwrap();
    // A pipe blocks its reader, like a file system that does not answer.
    let pipe = files.cert_chain;
    fs::remove_file(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let (reload, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    reload.notify_one();
    let hour = Duration::from_secs(3600);
    let keeping = certificates.keep(hour, reload, || NOW, |_reason| {}, stop.clone());
    let stopping = async {
        let opened = tokio::task::spawn_blocking(move || fs::File::create(pipe));
        let writer = opened.await.unwrap().unwrap(); // there is a reader
        stop.cancel();
        writer
    };
    let both = async { tokio::join!(keeping, stopping) };
    let patience = Duration::from_secs(20);
    let ((), writer) = tokio::time::timeout(patience, both).await.unwrap();
    drop(writer); // ends the reader
}

#[tokio::test]
async fn a_certificate_in_use_that_is_not_valid_yet_is_reported() {
    let (dir, authority) = (directory(), Authority::new("a"));
    let early = authority.sign(&Request {
        begins: 2027,
        ..Request::default()
    });
    let files = early.write(dir.path(), &authority.pem()).unwrap();
    let certificates = Certificates::load(files).unwrap();
    let (reports, stop) = (Mutex::new(Vec::new()), CancellationToken::new());
    stop.cancel();
    let hour = Duration::from_secs(3600);
    let report = |reason| reports.lock().push(reason);
    certificates
        .keep(hour, Arc::default(), || NOW, report, stop)
        .await;
    let reason = reports.lock().pop().flatten().unwrap();
    assert!(
        reason.ends_with("not valid before 2027-01-01T00:00:00Z"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn files_are_read_again_in_time_and_on_demand_and_reasons_are_reported() {
    let (dir, authority) = (directory(), Authority::new("a"));
    let certificates = Certificates::load(authority.write(dir.path()).unwrap()).unwrap();
    let (reload, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let reports = Arc::new(Mutex::new(Vec::new()));
    let (seen, reported) = (Arc::clone(&reports), Arc::new(Notify::new()));
    let signal = Arc::clone(&reported);
    let keeping = certificates.clone().keep(
        Duration::from_secs(10),
        Arc::clone(&reload),
        || FAR - SOON,
        move |reason| {
            seen.lock().push(reason);
            signal.notify_one();
        },
        stop.clone(),
    );
    let watching = async {
        reported.notified().await;
        let soon = "the certificate of this collector expires at 2090-01-01T00:00:00Z";
        assert_eq!(reports.lock().as_slice(), [Some(soon.to_owned())]);
        fs::write(dir.path().join("server.key"), "none").unwrap();
        reported.notified().await; // the tick
        let last = reports.lock().last().cloned().unwrap().unwrap();
        assert!(
            last.contains(soon) && last.contains("holds no private key"),
            "{last}"
        );
        authority.write(dir.path()).unwrap();
        reload.notify_one();
        reported.notified().await;
        assert_eq!(reports.lock().last().cloned().unwrap().unwrap(), soon);
        stop.cancel();
    };
    tokio::join!(keeping, watching);
    assert_eq!(certificates.counts(), (1, 1));
}

#[test]
fn a_failed_handshake_is_explained() {
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    let alert = rustls::AlertDescription::UnknownCA;
    for (error, side, expected) in [
        (
            NoCertificatesPresented,
            Side::Client,
            "the client sent no certificate",
        ),
        (
            InvalidCertificate(CertificateError::Expired),
            Side::Client,
            "the certificate of the client has expired",
        ),
        (
            InvalidCertificate(CertificateError::UnknownIssuer),
            Side::Server,
            "the certificate of the server is not signed by an authority in tls.default.trusted_ca_path",
        ),
        (
            InvalidCertificate(CertificateError::UnknownIssuer),
            Side::Queried,
            "the certificate of the collector is not signed by an authority in --ca-file",
        ),
        (
            InvalidCertificate(CertificateError::NotValidForName),
            Side::Server,
            "the certificate of the server is for another name",
        ),
        (
            AlertReceived(alert),
            Side::Client,
            "the client refuses the certificate of this collector",
        ),
    ] {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        let text = explain(&error, side);
        assert!(text.starts_with(expected), "{text}");
    }
    let closed = explain(&io::ErrorKind::UnexpectedEof.into(), Side::Client);
    assert_eq!(
        closed,
        "the client closed the connection during the handshake"
    );
}
