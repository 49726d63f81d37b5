//! Tests the configuration files of upstream's releases.

use super::{BAD_CONFIGURATION, IGNORED, SHARED, accepted, check, refused};

const ALONE: &str = "Rollcall does not have it: Rollcall stores only ids, in local files or in etcd; set SW_STORAGE=embedded (local files \
                     in SW_STORAGE_PATH), or SW_STORAGE=etcd; the file can stay as it is";

/// The stock files work unchanged, apart from a store that must be chosen. The collector warns about the parts that it ignores.
#[tokio::test]
async fn stock_files_work_unchanged_without_the_parts_that_rollcall_ignores() {
    const OF_5: &str = "analysis_jvm, analysis_register, analysis_segment_parser, ";
    for (file, ignored) in [
        ("3.2.3.yml", "agent_stream.config"),
        ("3.2.3-default.yml", "agent_stream.config"),
        ("3.2.5.yml", "agent_stream.default"),
        ("3.2.6.yml", "agent_stream.default"),
    ] {
        let warning = format!("{IGNORED} parts={ignored}");
        accepted(&format!("stock/{file}"), &[], &[&warning]).await;
    }
    for (file, provider, ignored) in [
        ("3.2.5-default.yml", "h2", "agent_stream.default, cache, cluster.standalone, gRPC_manager, jetty_manager, queue".to_owned()),
        ("5.0.0-alpha.yml", "elasticsearch", format!("{OF_5}configuration")),
        ("5.0.0-beta.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        ("5.0.0-beta2.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        ("5.0.0-GA.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        (
            "5.0.0-alpha-default.yml",
            "h2",
            "analysis_alarm, analysis_metric, analysis_segment_parser, cache, cluster.standalone, configuration, gRPC_manager, \
             jetty_manager"
                .to_owned(),
        ),
        (
            "5.0.0-GA-default.yml",
            "h2",
            "analysis_alarm, analysis_jvm, analysis_metric, analysis_register, analysis_segment_parser, cache, \
             cluster.standalone, configuration, gRPC_manager, jetty_manager"
                .to_owned(),
        ),
    ] {
        let file = format!("stock/{file}");
        let error = format!("{file}: storage.{provider}: {ALONE}");
        refused(&file, &[], &[&error]).await;
        let warning = format!("{IGNORED} parts={ignored}");
        accepted(&file, &[("SW_STORAGE", "embedded")], &[&warning]).await;
    }
}

/// The images of 3.2 fill in placeholders before the start. One error names all placeholders of a file.
#[tokio::test]
async fn one_error_names_every_placeholder_of_a_docker_template() {
    for (file, values) in [
        ("3.2.3-docker.yml", 11),
        ("3.2.5-docker.yml", 11),
        ("3.2.6-docker.yml", 11),
    ] {
        let file = format!("stock/{file}");
        let (code, errors) = check(&file, &[]).await;
        assert_eq!((code, errors.len()), (BAD_CONFIGURATION, 2), "{errors:#?}");
        assert_eq!(errors[0].matches(" is {").count(), values, "{errors:#?}");
        assert!(
            errors[0].contains("cluster.zookeeper.host_port is {ZK_ADDRESSES} (line 3)"),
            "{errors:#?}"
        );
        assert_eq!(
            errors[1],
            format!("{file}: storage.elasticsearch: {SHARED}")
        );
    }
}
