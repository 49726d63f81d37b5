//! A naming server on a plain socket, so that it can send any answer, including an invalid one.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use super::Watched;

/// The response to the next requests.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    List(Vec<String>),
    /// 200 with this body.
    Body(&'static str),
    Status(u16),
    /// 200 with a body that does not end.
    Endless,
    /// These bytes instead of HTTP.
    Raw(&'static [u8]),
    /// Accept, read, and send nothing.
    Hang,
    /// Accept, read, and close.
    Close,
}

#[derive(Debug)]
struct State {
    answer: Response,
    requests: Vec<String>,
    held: Vec<TcpStream>,
    over: bool,
}

/// A fake naming server. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Naming {
    address: SocketAddr,
    state: Arc<Watched<State>>,
}

impl Naming {
    pub(crate) fn start(answer: Response) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer)
    }

    pub(crate) fn start_at(address: SocketAddr, answer: Response) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = State {
            answer,
            requests: Vec::new(),
            held: Vec::new(),
            over: false,
        };
        let state = Arc::new(Watched::new(state));
        let naming = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::clone(&state),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if state.read(|state| state.over) {
                    break;
                }
                serve(stream.unwrap(), &state);
            }
        });
        naming
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn answers(&self, answer: Response) {
        self.state.change(|state| state.answer = answer);
    }

    /// The first lines of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.read(|state| state.requests.clone())
    }

    /// Waits until the server has received this many requests.
    pub(crate) fn wait_for_requests(&self, number: usize) {
        self.state.wait_for("requests", |state| {
            (state.requests.len() >= number).then_some(())
        });
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        self.state.change(|state| state.over = true);
        // Ends the thread's wait in `accept`. If connecting fails, the thread has already ended.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, state: &Watched<State>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&head)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let answer = state.change(|state| {
        state.requests.push(line);
        state.answer.clone()
    });
    // The client may have closed the connection already.
    drop(match answer {
        Response::List(list) => {
            let quoted: Vec<_> = list.iter().map(|entry| format!("{entry:?}")).collect();
            respond(&mut stream, 200, &format!("[{}]", quoted.join(",")))
        }
        Response::Body(body) => respond(&mut stream, 200, body),
        Response::Status(status) => respond(&mut stream, status, "[\"127.0.0.1:1\"]"),
        Response::Endless => endless(&mut stream),
        Response::Raw(bytes) => stream.write_all(bytes),
        Response::Close => Ok(()),
        Response::Hang => {
            state.change(|state| state.held.push(stream));
            Ok(())
        }
    });
}

fn respond(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\n\r\n[\"127.0.0.1:1\"")?;
    loop {
        stream.write_all(&[b' '; 64 * 1024])?;
    }
}
