package rollcall.nacos;

import com.alibaba.nacos.api.naming.NamingFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Executes commands from standard input with the unmodified Nacos client for Java on the class path, until the input ends.
 * The commands and answers are the same for every driver: see {@code tests/src/nacos.rs}.
 */
public final class Driver {
    private static final String GROUP = "DEFAULT_GROUP";
    private static final PrintStream OUT = System.out;

    private Driver() {
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("serverAddr", arguments[0]);
        NamingService naming = NamingFactory.createNamingService(properties);
        say("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            try {
                say(answer(naming, words));
            } catch (InvocationTargetException error) {
                say("error " + words[0] + " " + error.getCause());
            } catch (Exception error) {
                say("error " + words[0] + " " + error);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static String answer(NamingService naming, String[] words) throws Exception {
        String service = words[1];
        switch (words[0]) {
            case "register":
            case "update":
                naming.registerInstance(service, GROUP, instance(words));
                break;
            case "deregister":
                naming.deregisterInstance(service, GROUP, instance(words));
                break;
            case "batch":
                List<Instance> instances = new ArrayList<>();
                for (int i = 2; i < words.length; i++) {
                    String[] address = words[i].split(":");
                    instances.add(instance(new String[] {"", "", address[0], address[1], "1", "DEFAULT", "ephemeral", "-"}));
                }
                NamingService.class.getMethod("batchRegisterInstance", String.class, String.class, List.class)
                    .invoke(naming, service, GROUP, instances);
                break;
            case "list":
                return "hosts " + service + text(naming.getAllInstances(service, GROUP, new ArrayList<>(), false));
            case "subscribe":
                naming.subscribe(service, GROUP, event ->
                    say("changed " + service + text(((NamingEvent) event).getInstances())));
                break;
            default:
                throw new IllegalArgumentException("unknown command");
        }
        return "ok " + words[0] + " " + service;
    }

    private static Instance instance(String[] words) {
        Instance instance = new Instance();
        instance.setIp(words[2]);
        instance.setPort(Integer.parseInt(words[3]));
        instance.setWeight(Double.parseDouble(words[4]));
        instance.setClusterName(words[5]);
        instance.setEphemeral(words[6].equals("ephemeral"));
        Map<String, String> metadata = new TreeMap<>();
        for (String entry : words[7].equals("-") ? new String[0] : words[7].split(",")) {
            int sign = entry.indexOf('=');
            metadata.put(entry.substring(0, sign), entry.substring(sign + 1));
        }
        instance.setMetadata(metadata);
        return instance;
    }

    private static String text(List<Instance> instances) {
        return instances.stream()
            .map(i -> " " + i.getIp() + ":" + i.getPort() + "/" + i.getWeight() + "/" + (i.isHealthy() ? "healthy" : "unhealthy")
                + "/" + new TreeMap<>(i.getMetadata()).entrySet().stream()
                    .map(entry -> entry.getKey() + "=" + entry.getValue()).collect(Collectors.joining(",")))
            .sorted().collect(Collectors.joining());
    }

    private static synchronized void say(String line) {
        OUT.println(line);
        OUT.flush();
    }
}
