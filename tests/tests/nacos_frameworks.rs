//! Tests applications of Spring Cloud Alibaba and of Dubbo: see [`rollcall_tests::nacos::framework`].

use rollcall_tests::{
    nacos::framework::{self, Framework},
    process::collector_binary,
};

#[tokio::test]
async fn a_spring_cloud_application_finds_another_one() {
    collector_binary();
    Framework::install();
    framework::spring().await.unwrap();
}

#[tokio::test]
async fn a_dubbo_consumer_finds_its_providers() {
    collector_binary();
    Framework::install();
    framework::dubbo().await.unwrap();
}
