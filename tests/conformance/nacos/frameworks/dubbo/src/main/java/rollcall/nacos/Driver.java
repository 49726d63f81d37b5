package rollcall.nacos;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * An application with Dubbo and its Nacos registry. If the second argument is {@code provider}, it provides a {@link Greeter}.
 * If it is {@code consumer}, it calls a {@link Greeter} for each input line {@code call NAME}, and answers
 * {@code ok call GREETING}.
 */
public final class Driver {
    private Driver() {
    }

    public static void main(String[] arguments) throws Exception {
        ApplicationConfig application = new ApplicationConfig("rollcall-" + arguments[1]);
        application.setQosEnable(false);
        application.setRegisterMode("interface");
        RegistryConfig registry = new RegistryConfig("nacos://" + arguments[0]);
        registry.setUseAsConfigCenter(false);
        registry.setUseAsMetadataCenter(false);
        DubboBootstrap bootstrap = DubboBootstrap.getInstance().application(application).registry(registry);
        ReferenceConfig<Greeter> reference = null;
        if (arguments[1].equals("provider")) {
            ProtocolConfig protocol = new ProtocolConfig("dubbo", -1);
            protocol.setHost("127.0.0.1");
            ServiceConfig<Greeter> service = new ServiceConfig<>();
            service.setInterface(Greeter.class);
            service.setRef(name -> "hello " + name);
            bootstrap.protocol(protocol).service(service).start();
        } else {
            reference = new ReferenceConfig<>();
            reference.setInterface(Greeter.class);
            reference.setCheck(false);
            reference.setTimeout(2000);
            bootstrap.reference(reference).start();
        }
        System.out.println("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            try {
                System.out.println("ok call " + reference.get().greet(line.substring(line.indexOf(' ') + 1)));
            } catch (Exception error) {
                System.out.println("error call " + error.toString().split("\n")[0]);
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
