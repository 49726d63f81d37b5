package rollcall.nacos;

/** The service that one process provides and another process calls. */
public interface Greeter {
    String greet(String name);
}
