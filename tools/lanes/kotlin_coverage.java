import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jacoco.core.analysis.Analyzer;
import org.jacoco.core.analysis.CoverageBuilder;
import org.jacoco.core.analysis.ICounter;
import org.jacoco.core.analysis.ISourceFileCoverage;
import org.jacoco.core.tools.ExecFileLoader;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Opcodes;

/**
 * Share of the lines of Kotlin sources that tests reach, by JaCoCo.
 *
 * <p>`strip CLASSES`, before the tests run, takes out the map of inlined lines, which JaCoCo 0.8.6 cannot read of newer
 * compilers; inlined code then has line numbers behind the end of its file, which `report` passes over.
 *
 * <p>`report RUNS CLASSES SOURCES LEAST_PERCENT` prints the share, and on stderr the lines that are missed; exit code 1
 * below.
 */
class KotlinCoverage {
    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("strip")) {
            for (Path path : under(Path.of(arguments[1]), ".class")) {
                Files.write(path, stripped(Files.readAllBytes(path)));
            }
            return;
        }
        System.exit(report(arguments) ? 0 : 1);
    }

    private static byte[] stripped(byte[] content) {
        ClassWriter writer = new ClassWriter(0);
        ClassVisitor visitor =
                new ClassVisitor(Opcodes.ASM9, writer) {
                    @Override
                    public void visitSource(String source, String debug) {
                        super.visitSource(source, null);
                    }
                };
        new ClassReader(content).accept(visitor, 0);
        return writer.toByteArray();
    }

    private static boolean report(String[] arguments) throws IOException {
        ExecFileLoader runs = new ExecFileLoader();
        runs.load(Path.of(arguments[1]).toFile());
        CoverageBuilder found = new CoverageBuilder();
        Analyzer analyzer = new Analyzer(runs.getExecutionDataStore(), found);
        analyzer.analyzeAll(Path.of(arguments[2]).toFile());
        int covered = 0;
        int lines = 0;
        for (ISourceFileCoverage file : found.getSourceFiles()) {
            int end = lengthOf(Path.of(arguments[3]), file.getName());
            StringBuilder missed = new StringBuilder();
            for (int line = Math.max(file.getFirstLine(), 1); line <= Math.min(file.getLastLine(), end); line++) {
                int status = file.getLine(line).getStatus();
                lines += status == ICounter.EMPTY ? 0 : 1;
                covered += status == ICounter.EMPTY || status == ICounter.NOT_COVERED ? 0 : 1;
                missed.append(status == ICounter.NOT_COVERED ? " " + line : "");
            }
            if (missed.length() > 0) {
                System.err.println(file.getName() + ": not reached:" + missed);
            }
        }
        double share = lines == 0 ? 0 : 100.0 * covered / lines;
        System.out.printf("%d of %d lines (%.1f %%)%n", covered, lines, share);
        return share >= Double.parseDouble(arguments[4]);
    }

    private static int lengthOf(Path sources, String name) throws IOException {
        for (Path path : under(sources, "/" + name)) {
            return Files.readAllLines(path).size();
        }
        return Integer.MAX_VALUE;
    }

    private static List<Path> under(Path folder, String ending) {
        try (Stream<Path> found = Files.walk(folder)) {
            return found.filter(path -> path.toString().endsWith(ending)).toList();
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }
}
