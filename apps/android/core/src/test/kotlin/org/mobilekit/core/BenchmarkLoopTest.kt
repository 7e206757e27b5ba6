package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Test

class BenchmarkLoopTest {
    private val spec = TensorSpec("x", listOf(1, 4))

    /** A clock that only work moves. */
    private class FakeClock : Clock {
        override val name = "fake"
        var now = 1_000L
        val slept = ArrayList<Long>()

        override fun nowNs(): Long = now

        override fun sleepMs(duration: Long) {
            slept.add(duration)
            now += duration * 1_000_000
        }
    }

    private val clock = FakeClock()
    private var cost = 50L

    private fun engine() =
        FakeEngine(listOf(spec), listOf(spec)) { values ->
            clock.now += cost
            cost += 1
            values
        }

    private fun loaded(engine: FakeEngine): () -> InferenceEngine =
        {
            clock.now += 700
            engine
        }

    @Test
    fun `load, first run, warm-up and timed runs are told apart`() {
        val engine = engine()
        val done = ArrayList<Int>()
        val found = BenchmarkLoop(clock, progress = done::add).measure(Plan(2, 3, "noise"), loaded(engine))
        assertEquals(700, found.loadNs)
        assertEquals(50, found.firstNs)
        assertEquals(51.5, found.warmupMeanNs!!, 0.0)
        assertEquals(listOf(53L, 54L, 55L), found.inferenceNs)
        assertEquals(listOf(1, 2, 3), done)
        assertTrue(found.preprocessNs.isEmpty() && found.postprocessNs.isEmpty() && found.endToEndNs.isEmpty())
        assertEquals(6, engine.runs)
        assertTrue(engine.closed)
        assertNull(found.thermal.toJson())
        assertEquals(emptyMap<String, Any?>(), found.memoryMb)
    }

    @Test
    fun `stages around the model are timed by themselves`() {
        val given = listOf(FloatArray(4) { 3f })
        val stages =
            Stages(
                before = {
                    clock.now += 5
                    given
                },
                after = { outputs ->
                    assertArrayEquals(given[0], outputs[0], 0f)
                    clock.now += 7
                },
            )
        val found = BenchmarkLoop(clock).measure(Plan(0, 2, "bundled"), loaded(engine())) { stages }
        assertEquals(listOf(5L, 5L), found.preprocessNs)
        assertEquals(listOf(51L, 52L), found.inferenceNs)
        assertEquals(listOf(7L, 7L), found.postprocessNs)
        assertEquals(listOf(63L, 64L), found.endToEndNs)
        assertNull(found.warmupMeanNs)
    }

    @Test
    fun `heat and memory are looked at between the runs`() {
        val heat = ArrayDeque(listOf(Thermal.NONE, Thermal.NONE, null, Thermal.SEVERE, Thermal.LIGHT))
        val memory = ArrayDeque(listOf(10.0, 30.0, 20.0, 50.0, 40.0, null, 45.0))
        val vitals = Vitals({ heat.removeFirst() }, { memory.removeFirst() })
        val found = BenchmarkLoop(clock, vitals).measure(Plan(0, 4, "noise", 1000), loaded(engine()))
        val course = found.thermal.toJson()!!
        assertEquals(listOf("none", "light", "severe"), listOf("start", "end", "max").map { course[it] })
        val states = (course["samples"] as List<*>).map { (it as Map<*, *>)["state"] }
        assertEquals(listOf("none", "severe", "light"), states)
        assertEquals(mapOf("before_load_mb" to 10.0, "after_load_mb" to 30.0, "peak_mb" to 50.0), found.memoryMb)
        assertEquals(listOf(1000L, 1000L, 1000L), clock.slept)
    }

    @Test
    fun `runs that follow each other at once are not disturbed`() {
        var looks = 0
        val vitals = Vitals(thermal = { Thermal.NONE.also { looks++ } })
        cost = 100_000_000
        BenchmarkLoop(clock, vitals).measure(Plan(0, 25, "noise"), loaded(engine()))
        assertEquals(4, looks)
    }

    @Test
    fun `what the runtime says is asked once the load is timed`() {
        val engine = engine()
        val found = BenchmarkLoop(clock).measure(Plan(0, 1, "noise"), loaded(engine))
        assertEquals(engine.facts, found.runtime)
    }

    @Test
    fun `a cancelled measurement ends at the next run and closes the model`() {
        val engine = engine()
        try {
            BenchmarkLoop(clock, cancelled = { engine.runs == 3 }).measure(Plan(1, 50, "noise"), loaded(engine))
            fail("expected an end")
        } catch (problem: CancelledException) {
            assertEquals("the measurement was cancelled", problem.message)
        }
        assertEquals(3, engine.runs)
        assertTrue(engine.closed)
        val other = engine()
        try {
            BenchmarkLoop(clock, cancelled = { true }).measure(Plan(1, 50, "noise"), loaded(other))
            fail("expected an end")
        } catch (_: CancelledException) {
            assertEquals(0, other.runs)
        }
    }

    @Test
    fun `noise is the same each time and has the levels of a camera`() {
        val first = BenchmarkLoop.noiseFor(listOf(TensorSpec("x", listOf(1, 1000)))).single()
        val again = BenchmarkLoop.noiseFor(listOf(TensorSpec("x", listOf(1, 1000)))).single()
        assertArrayEquals(first, again, 0f)
        assertTrue(first.all { it in 0f..255f } && first.distinct().size > 200)
    }

    @Test
    fun `plans that make no sense are refused`() {
        refused("at least one run") { Plan(1, 0, "noise") }
        refused("no negative numbers") { Plan(-1, 1, "noise") }
        refused("no negative numbers") { Plan(1, 1, "noise", -1) }
    }

    @Test
    fun `the clock of the machine goes on`() {
        val start = MonotonicClock.nowNs()
        MonotonicClock.sleepMs(2)
        assertTrue(MonotonicClock.nowNs() - start >= 2_000_000)
        assertEquals("System.nanoTime", MonotonicClock.name)
    }
}
