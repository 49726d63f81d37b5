//! Tests applications of Spring Cloud Alibaba and of Dubbo: see [`rollcall_tests::nacos::framework`].

use rollcall_tests::{
    nacos::framework::{self, Framework},
    process::collector_binary,
};

#[tokio::test]
async fn applications_of_spring_cloud_find_each_other() {
    collector_binary();
    Framework::install();
    framework::spring().await.unwrap();
}

#[tokio::test]
async fn applications_of_dubbo_find_each_other() {
    collector_binary();
    Framework::install();
    framework::dubbo().await.unwrap();
}
