@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.android.gms.tasks

abstract class Task<T>

class Tasks {
    companion object {
        @JvmStatic
        fun <T> await(task: Task<T>): T = error("declared only")
    }
}
