//! The part of etcd's version 3 API that collectors use: `api/etcdserverpb/rpc.proto` and `api/mvccpb/kv.proto` of etcd 3.4 and
//! later, generated at build time from `proto/` in this crate. Fields that collectors do not set are left out.

#[cfg(any(test, feature = "test-util"))]
pub use wire::etcdserverpb::{
    auth_server::{Auth, AuthServer},
    kv_server::{Kv, KvServer},
    lease_server::{Lease, LeaseServer},
    watch_server::{Watch, WatchServer},
};
pub use wire::{
    etcdserverpb::{
        AuthenticateRequest, AuthenticateResponse, Compare, DeleteRangeRequest,
        DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest,
        LeaseKeepAliveResponse, LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse,
        RangeRequest, RangeResponse, RequestOp, ResponseHeader, ResponseOp, TxnRequest,
        TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse, auth_client::AuthClient,
        compare, kv_client::KvClient, lease_client::LeaseClient, range_request, request_op,
        response_op, watch_client::WatchClient, watch_request,
    },
    mvccpb::{Event, KeyValue, event},
};

/// The generated code.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    missing_docs,
    rust_2018_idioms,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}
