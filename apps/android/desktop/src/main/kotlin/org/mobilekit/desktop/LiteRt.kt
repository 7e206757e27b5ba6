package org.mobilekit.desktop

import com.sun.jna.Callback
import com.sun.jna.Memory
import com.sun.jna.NativeLibrary
import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference
import java.io.File

/** LiteRT said no. */
class LiteRtException(
    message: String,
) : Exception(message)

/** LiteRT's C functions in a `libLiteRt.so`; handles are pointers, indices and sizes are `size_t`. */
class LiteRt(
    library: File,
) {
    private val functions = NativeLibrary.getInstance(library.absolutePath)

    /** Calls a function that returns a status. */
    fun call(
        name: String,
        vararg arguments: Any?,
    ) {
        val status = functions.getFunction(name).invokeInt(arguments)
        if (status != 0) throw LiteRtException("$name failed with status $status")
    }

    /** Calls a function whose last argument is where it puts a handle. */
    fun made(
        name: String,
        vararg arguments: Any?,
    ): Pointer {
        val found = PointerByReference()
        call(name, *arguments, found)
        return found.value
    }

    /** Calls a function that returns nothing. */
    fun destroy(
        name: String,
        handle: Pointer,
    ) {
        functions.getFunction(name).invokeVoid(arrayOf<Any>(handle))
    }

    /** Options for the CPU alone, with a number of threads; the caller destroys them. */
    fun cpuOptions(threads: Int): Pointer {
        val options = made("LiteRtCreateOptions")
        call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        val threading = made("LiteRtCreateOpaqueOptions", "xnnpack", payload(threads), keeping)
        call("LiteRtAddOpaqueOptions", options, threading)
        return options
    }

    private fun payload(threads: Int): Memory {
        val text = "num_threads = $threads\n"
        return Memory(text.length + 1L).apply { setString(0, text) }.also(payloads::add)
    }

    private val payloads = ArrayList<Memory>()

    /** What LiteRT calls when it is done with a payload; the virtual machine frees it. */
    private val keeping =
        object : Callback {
            @Suppress("unused", "UNUSED_PARAMETER")
            fun callback(payload: Pointer?) = Unit
        }

    private companion object {
        const val CPU = 1
    }
}
