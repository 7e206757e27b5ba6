package org.mobilekit.core

/** What `mobilekit profile --device android` asks for, by the instrumentation's arguments. */
data class BenchmarkOrder(
    val model: String,
    val name: String,
    val variant: String,
    val file: String,
    val sha256: String,
    val runs: Int,
    val warmup: Int,
    val threads: Int,
    val units: List<String>,
    val report: String,
) {
    /** The single accelerator that the model is compiled for. */
    val unit: String get() = units.single()

    fun plan(): Plan = Plan(warmup, runs, BenchmarkLoop.NOISE)

    companion object {
        /** Reads the arguments by their names in the contract; empty ones are not passed. */
        fun of(argument: (String) -> String?): BenchmarkOrder {
            fun text(name: String) = argument(name) ?: throw ContractException("expected an argument -e $name")
            val model = text("model")
            val found =
                BenchmarkOrder(
                    model = model,
                    name = text("name"),
                    variant = argument("variant").orEmpty(),
                    file = argument("file") ?: model.substringAfterLast('/'),
                    sha256 = text("sha256"),
                    runs = number("runs", text("runs")),
                    warmup = number("warmup", text("warmup")),
                    threads = number("threads", text("threads")),
                    units = text("units").split(','),
                    report = text("report").removePrefix(FILES),
                )
            check(found)
            return found
        }

        private fun number(
            name: String,
            text: String,
        ): Int = text.toIntOrNull() ?: throw ContractException("expected a whole number, found -e $name $text")

        private fun check(order: BenchmarkOrder) {
            val unit = order.units.singleOrNull()
            if (unit !in Units.ALL) {
                throw ContractException(
                    "expected one of ${Units.ALL.joinToString()}, found -e units ${order.units.joinToString(",")}",
                )
            }
            val safe = order.report.isNotEmpty() && !order.report.startsWith('/') && ".." !in order.report.split('/')
            if (!safe) {
                throw ContractException(
                    "expected a path in the app's own files, found -e report ${order.report}",
                )
            }
            order.plan()
        }

        private const val FILES = "files/"
    }
}
