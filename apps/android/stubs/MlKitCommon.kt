@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.mlkit.common

open class MlKitException : Exception()
