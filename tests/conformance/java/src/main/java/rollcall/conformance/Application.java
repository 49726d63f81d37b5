package rollcall.conformance;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.skywalking.apm.agent.core.boot.ServiceManager;
import org.apache.skywalking.apm.agent.core.conf.SnifferConfigInitializer;
import org.apache.skywalking.apm.agent.core.context.ContextManager;
import org.apache.skywalking.apm.agent.core.context.trace.SpanLayer;
import org.apache.skywalking.apm.agent.core.plugin.loader.AgentClassLoader;

/**
 * An application observed by an unmodified agent of any version since 5.0.0. It executes commands from standard
 * input until the input ends.
 *
 * <p>With the whole agent ({@code -javaagent}) the agent starts before this application. If only the agent's core is
 * published, the argument {@code boot} starts the agent's services as its {@code premain} does, but without the bytecode
 * instrumentation.
 *
 * <p>Each line of the input is one command: {@code call OPERATION PEER} serves one request named OPERATION that calls
 * PEER ({@code host:port}) once.
 *
 * <p>The output is {@code started}, and the lines of {@link Reporter} if the agent has loaded it. The agent's own early
 * log goes to the same stream.
 */
public final class Application {
    static final Set<String> OPERATIONS = ConcurrentHashMap.newKeySet();
    static final Set<String> PEERS = ConcurrentHashMap.newKeySet();

    private Application() {
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 1 && arguments[0].equals("boot")) {
            boot();
        }
        System.out.println("started");

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words.length != 3 || !words[0].equals("call")) {
                System.err.println("unknown command: " + line);
                System.exit(64);
            }
            call(words[1], words[2]);
        }
        ServiceManager.INSTANCE.shutdown();
        System.exit(0);
    }

    /** All versions have the same three steps in the same order. The first step has had three signatures, and the second two. */
    private static void boot() throws ReflectiveOperationException {
        for (Method step : SnifferConfigInitializer.class.getMethods()) {
            if (step.getName().equals("initialize") || step.getName().equals("initializeCoreConfig")) {
                step.invoke(null, new Object[step.getParameterCount()]);
            }
        }
        AgentClassLoader.class.getMethod("initDefaultLoader").invoke(null);
        ServiceManager.INSTANCE.boot();
    }

    private static void call(String operation, String peer) {
        SpanLayer.asHttp(ContextManager.createEntrySpan(operation, null));
        SpanLayer.asHttp(ContextManager.createExitSpan(operation, peer));
        ContextManager.stopSpan();
        ContextManager.stopSpan();
        OPERATIONS.add(operation);
        PEERS.add(peer);
    }
}
