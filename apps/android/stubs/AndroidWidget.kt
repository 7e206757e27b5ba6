@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.widget

import android.content.Context
import android.view.View

open class TextView(
    context: Context,
) : View() {
    fun setText(resource: Int): Unit = error("declared only")
}
