@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.net

import android.os.Parcelable

abstract class Uri : Parcelable
