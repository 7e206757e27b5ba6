package org.mobilekit.core

import org.junit.Assert.assertTrue
import org.junit.Assert.fail

/** Expects a refusal whose message has the given words. */
fun refused(
    words: String,
    action: () -> Unit,
) {
    try {
        action()
    } catch (problem: ContractException) {
        assertTrue("expected '$words' in '${problem.message}'", words in problem.message.orEmpty())
        return
    }
    fail("expected a refusal with '$words'")
}
