@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.ui.platform

import android.content.Context
import android.view.View
import androidx.compose.runtime.Composable

class ProvidableCompositionLocal<T> {
    val current: T
        @Composable get() = error("declared only")
}

val LocalContext: ProvidableCompositionLocal<Context> = error("declared only")

val LocalView: ProvidableCompositionLocal<View> = error("declared only")
