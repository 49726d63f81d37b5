//! A network link between two processes that a test can cut and restore.

use std::{
    fmt,
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
};

use socket2::{SockFilter, SockRef};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, tcp},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// The treatment of traffic through a [`Proxy`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Traffic is forwarded.
    Whole,
    /// Connections are reset, and new connections as soon as they are accepted.
    Refusing,
    /// Connections stay and new ones are accepted, but nothing is forwarded and neither side is notified. Data sent meanwhile
    /// arrives when the link is [`Link::Whole`] again, as after a network outage.
    Stalled,
    /// Like [`Link::Stalled`]; in addition the proxy's system drops every packet from the target, as if the target's machine had
    /// lost its network. The affected connections never recover.
    Lost,
}

/// A TCP proxy on a free port of 127.0.0.1. It runs on the runtime of the test, and dropping it closes every connection.
pub struct Proxy {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    link: watch::Sender<Link>,
    /// The number of connections to the target.
    open: watch::Sender<usize>,
    task: AbortHandle,
}

impl Proxy {
    /// A proxy that forwards every connection to `target`, over one connection each.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let proxy = Self::open().await;
        proxy.set_target(target);
        proxy
    }

    /// As [`Proxy::to`], but the connections to the target come from the address `source`, like those of a proxy on another
    /// machine.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn from(source: IpAddr, target: SocketAddr) -> Self {
        let proxy = Self::listen(Some(source)).await;
        proxy.set_target(target);
        proxy
    }

    /// A proxy that listens at once, and keeps clients waiting until it has a target.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn open() -> Self {
        Self::listen(None).await
    }

    async fn listen(source: Option<IpAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (target, aim) = watch::channel(None);
        let (link, state) = watch::channel(Link::Whole);
        let open = watch::Sender::new(0);
        let to = Forward {
            source,
            target: aim,
            link: state,
            open: open.clone(),
        };
        let task = tokio::spawn(accept(listener, to)).abort_handle();
        Self {
            address,
            target,
            link,
            open,
            task,
        }
    }

    /// The address to use instead of the target's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the target of new connections.
    pub fn set_target(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// Sets the state of the link. If two changes follow each other quickly, connections may see only the second one.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Resets all connections, returns once all are closed, and then forwards new connections again.
    pub async fn cut(&self) {
        self.set(Link::Refusing);
        let mut open = self.open.subscribe();
        let closed = open.wait_for(|open| *open == 0).await;
        drop(closed.expect("this proxy has the sender"));
        self.set(Link::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("link", &*self.link.borrow())
            .finish_non_exhaustive()
    }
}

/// The settings for forwarding a connection.
#[derive(Clone)]
struct Forward {
    source: Option<IpAddr>,
    target: watch::Receiver<Option<SocketAddr>>,
    link: watch::Receiver<Link>,
    open: watch::Sender<usize>,
}

/// Counts a connection to the target while it exists.
struct Open(watch::Sender<usize>);

impl Open {
    fn count(open: watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn accept(listener: TcpListener, to: Forward) {
    // The set belongs to this task, so the connections end with the task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(serve(client, to.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards one connection until both sides have closed it or the link refuses.
async fn serve(mut client: TcpStream, to: Forward) -> io::Result<()> {
    let Forward {
        source,
        mut target,
        mut link,
        open,
    } = to;
    if passes(&mut link).await == Link::Refusing {
        return client.set_zero_linger();
    }
    let target = target.wait_for(Option::is_some).await;
    let target = target.ok().and_then(|target| *target);
    // Counts the connection before it exists, so that a cut does not miss it. The guard is dropped after the connection.
    let _open = Open::count(open);
    let mut server = connect(source, target.ok_or(io::ErrorKind::HostUnreachable)?).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut cut, mut lost) = (link.clone(), link.clone());
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let forward = async {
        tokio::try_join!(
            copy(from_client, to_server, link.clone()),
            copy(from_server, to_client, link),
        )
    };
    tokio::select! {
        both = forward => both.map(drop),
        () = is_cut(&mut cut) => {
            // Closing a socket with this option sends a reset.
            client.set_zero_linger()?;
            server.set_zero_linger()
        }
        () = is_lost(&mut lost) => {
            drop_packets(&server)?;
            pending().await
        }
    }
}

/// Completes when the link refuses or the proxy is dropped.
async fn is_cut(link: &mut watch::Receiver<Link>) {
    let _state = link.wait_for(|link| *link == Link::Refusing).await;
}

/// Completes when the link is lost.
async fn is_lost(link: &mut watch::Receiver<Link>) {
    if link.wait_for(|link| *link == Link::Lost).await.is_err() {
        pending().await
    }
}

/// Makes the system drop every packet for a socket before TCP sees it.
fn drop_packets(socket: &TcpStream) -> io::Result<()> {
    // The instruction `return 0` of a packet filter.
    let none = SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(socket).attach_filter(&[none])
}

async fn connect(source: Option<IpAddr>, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(target).await
}

/// Copies data from `from` to `to` while the link is whole, until `from` ends.
async fn copy(
    mut from: tcp::ReadHalf<'_>,
    mut to: tcp::WriteHalf<'_>,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        passes(&mut link).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Waits while the link is stalled or lost, and returns the state that ends the wait.
async fn passes(link: &mut watch::Receiver<Link>) -> Link {
    let holds = |link: &Link| matches!(link, Link::Stalled | Link::Lost);
    let link = link.wait_for(|link| !holds(link)).await;
    // A dropped proxy resets connections.
    link.map_or(Link::Refusing, |link| *link)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A proxy to an echo server.
    async fn to_echo() -> Proxy {
        let proxy = Proxy::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        proxy.set_target(address);
        proxy
    }

    async fn send(stream: &mut TcpStream, text: &str) -> io::Result<()> {
        stream.write_all(text.as_bytes()).await
    }

    async fn receive(stream: &mut TcpStream, length: usize) -> io::Result<String> {
        let mut text = vec![0; length];
        stream.read_exact(&mut text).await?;
        Ok(String::from_utf8(text).unwrap())
    }

    async fn nothing_arrives(stream: &mut TcpStream) {
        let early = tokio::time::timeout(Duration::from_millis(100), receive(stream, 1)).await;
        assert!(early.is_err(), "data arrived: {early:?}");
    }

    #[tokio::test]
    async fn data_and_the_end_of_a_stream_are_forwarded() {
        let proxy = to_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let text = "a".repeat(100_000);
        let (mut from, mut to) = stream.split();
        let send = async {
            to.write_all(text.as_bytes()).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let mut echo = String::new();
        let (read, ()) = tokio::join!(from.read_to_string(&mut echo), send);
        assert_eq!(read.unwrap(), text.len());
        assert_eq!(echo, text);
    }

    #[tokio::test]
    async fn a_refusing_link_resets_old_and_new_connections_until_it_is_healed() {
        let proxy = to_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut stream, "one").await.unwrap();
        assert_eq!(receive(&mut stream, 3).await.unwrap(), "one");
        proxy.set(Link::Refusing);
        let error = receive(&mut stream, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let error = receive(&mut stream, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        proxy.set(Link::Whole);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut stream, "two").await.unwrap();
        assert_eq!(receive(&mut stream, 3).await.unwrap(), "two");
    }

    #[tokio::test]
    async fn a_cut_resets_the_connections_and_forwards_new_ones() {
        let proxy = to_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut stream, "one").await.unwrap();
        assert_eq!(receive(&mut stream, 3).await.unwrap(), "one");
        proxy.cut().await;
        let error = receive(&mut stream, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut stream, "two").await.unwrap();
        assert_eq!(receive(&mut stream, 3).await.unwrap(), "two");
    }

    #[tokio::test]
    async fn data_sent_over_a_stalled_link_arrives_after_its_repair() {
        let proxy = to_echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut old, "one").await.unwrap();
        assert_eq!(receive(&mut old, 3).await.unwrap(), "one");
        proxy.set(Link::Stalled);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        for stream in [&mut old, &mut new] {
            send(stream, "two").await.unwrap();
            nothing_arrives(stream).await;
        }
        proxy.set(Link::Whole);
        for stream in [&mut old, &mut new] {
            assert_eq!(receive(stream, 3).await.unwrap(), "two");
        }
    }
}
