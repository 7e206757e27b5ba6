package org.mobilekit.demo

import com.google.ai.edge.litert.LiteRtException
import com.google.mlkit.common.MlKitException
import org.mobilekit.core.CancelledException
import org.mobilekit.core.ContractException
import java.io.IOException
import java.util.concurrent.ExecutionException

/** Does something that a model, a file, a runtime or a camera can refuse; the refusal in words, or null where all went well. */
fun attempt(action: () -> Unit): String? =
    try {
        action()
        null
    } catch (problem: ContractException) {
        problem.message
    } catch (problem: CancelledException) {
        problem.message
    } catch (problem: LiteRtException) {
        "LiteRT: ${problem.message}"
    } catch (problem: MlKitException) {
        "ML Kit: ${problem.message}"
    } catch (problem: ExecutionException) {
        problem.cause?.message
    } catch (problem: IllegalArgumentException) {
        problem.message
    } catch (problem: IllegalStateException) {
        problem.message
    } catch (problem: IOException) {
        problem.message
    }
