package rollcall.conformance;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.skywalking.apm.agent.core.boot.BootService;
import org.apache.skywalking.apm.agent.core.boot.ServiceManager;
import org.apache.skywalking.apm.agent.core.conf.RemoteDownstreamConfig;
import org.apache.skywalking.apm.agent.core.dictionary.NetworkAddressDictionary;
import org.apache.skywalking.apm.agent.core.dictionary.OperationNameDictionary;
import org.apache.skywalking.apm.agent.core.dictionary.PossibleFound;
import org.apache.skywalking.apm.agent.core.remote.GRPCChannelListener;
import org.apache.skywalking.apm.agent.core.remote.GRPCChannelManager;
import org.apache.skywalking.apm.agent.core.remote.GRPCChannelStatus;

/**
 * Prints what an agent 5.0.0-GA has received, one line per change. The agent loads this class like one of its own services.
 *
 * <p>The lines, each starting with {@code report}: {@code application ID}, {@code instance ID}, {@code channel connected|disconnect},
 * and for the calls of {@link Application} {@code entry NAME ID}, {@code exit NAME ID}, {@code address PEER ID}. An id is reported again when it changes.
 */
public final class Reporter implements BootService, GRPCChannelListener {
    private final Map<String, Integer> reported = new ConcurrentHashMap<>();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();

    @Override
    public void prepare() {
        ServiceManager.INSTANCE.findService(GRPCChannelManager.class).addChannelListener(this);
    }

    @Override
    public void boot() {
        timer.scheduleAtFixedRate(this::report, 0, 50, TimeUnit.MILLISECONDS);
    }

    @Override
    public void onComplete() {
    }

    @Override
    public void shutdown() {
        timer.shutdownNow();
    }

    @Override
    public void statusChanged(GRPCChannelStatus status) {
        System.out.println("report channel " + status.name().toLowerCase());
    }

    private void report() {
        int application = RemoteDownstreamConfig.Agent.APPLICATION_ID;
        changed("application", application);
        changed("instance", RemoteDownstreamConfig.Agent.APPLICATION_INSTANCE_ID);
        for (String operation : Application.OPERATIONS) {
            changed("entry " + operation, operation(application, operation, true));
            changed("exit " + operation, operation(application, operation, false));
        }
        for (String peer : Application.PEERS) {
            changed("address " + peer, id(NetworkAddressDictionary.INSTANCE.find(peer)));
        }
    }

    private static int operation(int application, String name, boolean entry) {
        return id(OperationNameDictionary.INSTANCE.findOrPrepare4Register(application, name, entry, !entry));
    }

    /** The id that a dictionary holds, or 0 while it has none. */
    private static int id(PossibleFound found) {
        return (Integer) found.doInCondition(id -> id, () -> 0);
    }

    private void changed(String what, int id) {
        Integer before = reported.put(what, id);
        if (id != (before == null ? 0 : before)) {
            System.out.println("report " + what + " " + id);
        }
    }
}
