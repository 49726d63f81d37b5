package rollcall.nacos;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.stream.Collectors;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * An application with Spring Cloud Alibaba. It registers itself under the name in its second argument, and executes the commands
 * {@code list SERVICE} from standard input until the input ends. The answers are the same for every driver: see
 * {@code tests/src/nacos.rs}.
 */
@SpringBootApplication
public class Driver {
    public static void main(String[] arguments) throws Exception {
        SpringApplication application = new SpringApplication(Driver.class);
        application.setDefaultProperties(Map.of(
            "server.port", "0",
            "spring.application.name", arguments[1],
            "spring.cloud.nacos.discovery.server-addr", arguments[0],
            "spring.cloud.nacos.discovery.ip", "127.0.0.1",
            "spring.main.banner-mode", "off",
            "logging.level.root", "WARN"));
        ConfigurableApplicationContext context = application.run();
        DiscoveryClient discovery = context.getBean(DiscoveryClient.class);
        System.out.println("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String service = line.substring(line.indexOf(' ') + 1);
            try {
                String hosts = discovery.getInstances(service).stream().map(Driver::text).sorted().collect(Collectors.joining());
                System.out.println("hosts " + service + hosts);
            } catch (Exception error) {
                System.out.println("error list " + error);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static String text(ServiceInstance instance) {
        Map<String, String> metadata = instance.getMetadata();
        String health = Boolean.parseBoolean(metadata.get("nacos.healthy")) ? "healthy" : "unhealthy";
        return " " + instance.getHost() + ":" + instance.getPort() + "/" + metadata.get("nacos.weight") + "/" + health + "/";
    }
}
