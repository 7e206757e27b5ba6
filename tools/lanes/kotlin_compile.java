import java.util.ArrayList;
import java.util.List;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler;

/**
 * Compiles several modules in one process: the compiler's arguments, a `--` between those of one module and the next.
 *
 * Goes on after a module that does not compile, so that all mistakes are seen at once; exit code 1 then.
 */
class KotlinCompile {
    public static void main(String[] arguments) {
        System.setProperty("kotlin.environment.keepalive", "true");
        List<String> module = new ArrayList<>();
        boolean good = true;
        for (String argument : arguments) {
            if (!argument.equals("--")) {
                module.add(argument);
                continue;
            }
            good &= compiles(module);
            module.clear();
        }
        good &= compiles(module);
        System.exit(good ? 0 : 1);
    }

    private static boolean compiles(List<String> module) {
        ExitCode code = new K2JVMCompiler().exec(System.err, module.toArray(new String[0]));
        if (code != ExitCode.OK) {
            System.err.println("does not compile: " + module.get(module.size() - 1));
        }
        return code == ExitCode.OK;
    }
}
